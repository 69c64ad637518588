/* Tests of io/connect, on loopback. */
#include "connect_test.h"
#include "io/unix_connect.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

/* A port of `address` that answers nothing: its backlog is full. */
struct hole {
    int listener;
    int clients[8];
};

static void hole_open(struct hole *hole, const char *address, uint16_t *port)
{
    struct sockaddr_storage to;
    struct ip ip;
    socklen_t length;

    hole->listener = tcp_listen(address, port, 0);
    assert_true(ip_parse(address, &ip));
    length = ip_to_sockaddr(&ip, *port, &to);
    for (int i = 0; i < 8; i++) {
        hole->clients[i] = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(hole->clients[i], (struct sockaddr *)&to, length);
    }
}

static void hole_close(struct hole *hole)
{
    for (int i = 0; i < 8; i++)
        close(hole->clients[i]);
    close(hole->listener);
}

static void a_listening_address_is_reached(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};

    (void)state;
    for (size_t i = 0; i < (has_ipv6() ? 2 : 1); i++) {
        uint16_t port = 0;
        int listener = tcp_listen(addresses[i], &port, 1);
        starts(&addresses[i], 1, port, 5000);
        run_until(caller.loop, &caller.done);
        assert_true(caller.connected);
        assert_string_equal(caller.address, addresses[i]);
        close(listener);
        caller = (struct caller){.loop = caller.loop};
    }
}

static void the_next_address_is_tried_when_one_refuses(void **state)
{
    uint16_t port = 0;
    int listener = tcp_listen("127.0.0.3", &port, 1);

    (void)state;
    STARTS(port, 5000, "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4");
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    assert_string_equal(caller.address, "127.0.0.3");
    close(listener);
}

static void it_comes_from_the_address_that_was_asked_for(void **state)
{
    uint16_t port = 0;
    int listener = tcp_listen("127.0.0.1", &port, 1);
    struct ip from;

    (void)state;
    assert_true(ip_parse("127.0.0.7", &from));
    caller.from = &from;
    STARTS(port, 5000, "::1", "127.0.0.1"); /* which the first cannot be reached from */
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    assert_string_equal(caller.local, "127.0.0.7");
    close(listener);
}

/* (Descriptors are few enough here that the next one would be one of the last.) */
static void the_last_descriptors_are_left_to_those_who_may_have_them(void **state)
{
    struct rlimit limit, few;
    uint16_t port = 0;
    int listener = tcp_listen("127.0.0.1", &port, 1);
    int next = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)next + 2, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    STARTS(port, 5000, "127.0.0.1");
    run_until(caller.loop, &caller.done);
    assert_false(caller.connected);
    assert_non_null(strstr(caller.error, "Too many open files"));
    errno = 0;
    assert_int_equal(unix_connect("/nonexistent", DESCRIPTOR_REMOTE_FORWARD), -1);
    assert_int_equal(errno, EMFILE);
    assert_int_equal(unix_connect("/nonexistent", DESCRIPTOR_GATEWAY), -1);
    assert_int_equal(errno, ENOENT);

    caller = (struct caller){.loop = caller.loop, .use = DESCRIPTOR_GATEWAY};
    STARTS(port, 5000, "127.0.0.1");
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close(listener);
}

static void bounds_are_of_the_limit(void **state)
{
    static const struct {
        rlim_t limit;
        int remote, client; /* the first that is reserved */
    } cases[] = {{64, 32, 48}, {256, 128, 192}, {1000, 686, 936}};
    struct rlimit before, limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        limit = (struct rlimit){.rlim_cur = cases[i].limit, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_false(descriptor_is_reserved(cases[i].remote - 1, DESCRIPTOR_REMOTE_FORWARD));
        assert_true(descriptor_is_reserved(cases[i].remote, DESCRIPTOR_REMOTE_FORWARD));
        assert_false(descriptor_is_reserved(cases[i].client - 1, DESCRIPTOR_CLIENT));
        assert_true(descriptor_is_reserved(cases[i].client, DESCRIPTOR_CLIENT));
        assert_false(descriptor_is_reserved((int)cases[i].limit - 1, DESCRIPTOR_GATEWAY));
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(descriptor_is_reserved(-1, DESCRIPTOR_REMOTE_FORWARD));
}

static void the_last_failure_is_told(void **state)
{
    uint16_t port = closed_port();
    char expected[100];

    (void)state;
    STARTS(port, 5000, "127.0.0.1", "127.0.0.2");
    run_until(caller.loop, &caller.done);
    assert_false(caller.connected);
    snprintf(expected, sizeof expected, "127.0.0.2 port %u: Connection refused", port);
    assert_string_equal(caller.error, expected);
}

static void an_address_that_cannot_even_be_tried_is_passed_over(void **state)
{
    uint16_t port = 0;
    int listener = tcp_listen("127.0.0.1", &port, 1);

    (void)state;
    /* A multicast address: connect(2) itself fails. */
    STARTS(port, 5000, "224.0.0.1", "127.0.0.1");
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    close(listener);
    caller = (struct caller){.loop = caller.loop};
    STARTS(port, 5000, "224.0.0.1");
    run_until(caller.loop, &caller.done);
    assert_non_null(strstr(caller.error, "224.0.0.1 port"));
}

static void no_address_is_a_failure_too(void **state)
{
    (void)state;
    starts(NULL, 0, 22, 5000);
    run_until(caller.loop, &caller.done);
    assert_false(caller.connected);
    assert_string_equal(caller.error, "no address to connect to");
}

static void a_silent_address_costs_its_share_of_the_time(void **state)
{
    struct hole hole;
    uint16_t port = 0;
    int listener;

    (void)state;
    hole_open(&hole, "127.0.0.2", &port);
    listener = tcp_listen("127.0.0.3", &port, 1);
    STARTS(port, 600, "127.0.0.2", "127.0.0.3", "127.0.0.4");
    run_until(caller.loop, &caller.done);
    assert_true(caller.connected);
    assert_string_equal(caller.address, "127.0.0.3");
    assert_in_range(caller.ended - caller.began, 200, 599);
    close(listener);
    hole_close(&hole);
}

static void what_a_failed_address_did_not_use_is_shared_by_the_rest(void **state)
{
    struct hole hole;
    uint16_t port = 0;
    char expected[100];

    (void)state;
    hole_open(&hole, "127.0.0.2", &port);
    STARTS(port, 300, "127.0.0.1", "127.0.0.3", "127.0.0.2");
    run_until(caller.loop, &caller.done);
    assert_false(caller.connected);
    assert_in_range(caller.ended - caller.began, 300, 1000);
    snprintf(expected, sizeof expected, "127.0.0.2 port %u: Connection timed out", port);
    assert_string_equal(caller.error, expected);
    hole_close(&hole);
}

static void after_a_cancel_nothing_is_told(void **state)
{
    struct hole hole;
    uint16_t port = 0;

    (void)state;
    hole_open(&hole, "127.0.0.2", &port);
    STARTS(port, 30, "127.0.0.2");
    connect_cancel(caller.connect);
    STARTS(port, 1000, "127.0.0.2"); /* (no machine stands still for so long) */
    run_for(caller.loop, 5);
    connect_cancel(caller.connect);
    run_for(caller.loop, 1100);
    assert_false(caller.done);
    connect_cancel(NULL);
    hole_close(&hole);
}

/* ---- unix sockets */

/* A listener with room for one connection, which is taken. */
struct full_listener {
    char path[64];
    int fd;
    int waiting; /* the connection that waits to be accepted */
};

static void full_listener_open(struct full_listener *full)
{
    struct sockaddr_un address;

    snprintf(full->path, sizeof full->path, "/tmp/adit-connect.%d", getpid());
    unlink(full->path);
    assert_true(unix_address(full->path, &address));
    full->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(full->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(full->fd, 0), 0);
    full->waiting = unix_connect(full->path, DESCRIPTOR_GATEWAY);
    assert_true(full->waiting >= 0);
}

static void full_listener_close(struct full_listener *full)
{
    close(full->waiting);
    close(full->fd);
    unlink(full->path);
}

static void a_full_unix_listener_is_not_waited_for_or_for_a_time(void **state)
{
    struct full_listener full;

    (void)state;
    full_listener_open(&full);
    assert_true(fcntl(full.waiting, F_GETFL) & O_NONBLOCK);
    assert_int_equal(unix_connect(full.path, DESCRIPTOR_GATEWAY), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(unix_connect_wait(full.path, DESCRIPTOR_GATEWAY, 30), -1);
    assert_int_equal(errno, ETIMEDOUT);
    full_listener_close(&full);
}

static void *accept_one(void *arg)
{
    return (void *)(intptr_t)accept(*(int *)arg, NULL, NULL);
}

static void a_unix_listener_that_gets_room_is_reached(void **state)
{
    struct full_listener full;
    pthread_t thread;
    void *accepted;
    int fd;

    (void)state;
    full_listener_open(&full);
    assert_int_equal(pthread_create(&thread, NULL, accept_one, &full.fd), 0);
    fd = unix_connect_wait(full.path, DESCRIPTOR_GATEWAY, PATIENCE_MS);
    assert_true(fd >= 0);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(pthread_join(thread, &accepted), 0);
    close((int)(intptr_t)accepted);
    close(fd);
    full_listener_close(&full);
}

static void a_unix_path_that_does_not_fit_is_refused(void **state)
{
    struct sockaddr_un address;
    char path[sizeof address.sun_path + 1];

    (void)state;
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_false(unix_address(path, &address));
    assert_int_equal(unix_connect(path, DESCRIPTOR_GATEWAY), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    path[sizeof path - 2] = '\0';
    assert_true(unix_address(path, &address));
    assert_string_equal(address.sun_path, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_listening_address_is_reached),
        TEST(the_next_address_is_tried_when_one_refuses),
        TEST(it_comes_from_the_address_that_was_asked_for),
        TEST(the_last_descriptors_are_left_to_those_who_may_have_them),
        TEST(bounds_are_of_the_limit),
        TEST(the_last_failure_is_told),
        TEST(an_address_that_cannot_even_be_tried_is_passed_over),
        TEST(no_address_is_a_failure_too),
        TEST(a_silent_address_costs_its_share_of_the_time),
        TEST(what_a_failed_address_did_not_use_is_shared_by_the_rest),
        TEST(after_a_cancel_nothing_is_told),
        TEST(a_full_unix_listener_is_not_waited_for_or_for_a_time),
        TEST(a_unix_listener_that_gets_room_is_reached),
        TEST(a_unix_path_that_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

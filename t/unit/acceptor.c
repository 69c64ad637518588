/* Tests of io/acceptor. */
#include "io/acceptor.h"
#include "listener_test.h"

#include "base/log.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define CLIENTS_MAX 300

static struct loop *loop;
static struct listener *listener;
static struct acceptor *acceptor;
static int accepted_count;
static int accepted_fds[CLIENTS_MAX];
static bool peer_known;
static struct ip last_peer;
static uint16_t last_port;
static int free_after; /* this many connections the acceptor is freed inside `accepted`; 0: never */

static int option(int fd, int level, int name)
{
    int value = 0;

    assert_int_equal(getsockopt(fd, level, name, &value, &(socklen_t){sizeof value}), 0);
    return value;
}

static void accepted(void *arg, const struct accepted *connection)
{
    int fd = connection->fd;

    assert_ptr_equal(arg, &loop);
    assert_int_not_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    if (connection->from_ip) {
        assert_int_not_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
        assert_int_not_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    }
    assert_true(accepted_count < CLIENTS_MAX);
    accepted_fds[accepted_count++] = fd;
    peer_known = connection->from_ip;
    last_peer = connection->peer;
    last_port = connection->peer_port;
    if (accepted_count == free_after) {
        acceptor_free(acceptor);
        acceptor = NULL;
    }
}

static void close_accepted(void)
{
    while (accepted_count > 0)
        close(accepted_fds[--accepted_count]);
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    listener = NULL;
    acceptor = NULL;
    free_after = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_accepted();
    acceptor_free(acceptor);
    listener_close(listener);
    loop_free(loop);
    return 0;
}

static void accepts_on(const char *address)
{
    char error[256] = "";

    listener = listen_on(address, 0, error);
    assert_string_equal(error, "");
    acceptor = acceptor_new(loop, listener, true, accepted, &loop);
}

static void turn_until_accepted(int count)
{
    struct alarm alarm = {0};

    deadline_arm(loop, &alarm.deadline, PATIENCE_MS, alarm_rings);
    while (accepted_count < count) {
        assert_false(alarm.rung);
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    deadline_cancel(&alarm.deadline);
}

static int lines_in(int file)
{
    char text[4096];
    ssize_t length = pread(file, text, sizeof text, 0);
    int lines = 0;

    for (ssize_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    return lines;
}

/* ---- connections */

static void connections_are_accepted_with_the_peers_address(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};

    (void)state;
    for (int i = 0; i < (has_ipv6() ? 2 : 1); i++) {
        struct sockaddr_storage from;
        struct ip ip;
        uint16_t port;
        int fd;

        accepts_on(addresses[i]);
        fd = tcp_connect(addresses[i], listener_port(listener));
        assert_true(fd >= 0);
        turn_until_accepted(1);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &(socklen_t){sizeof from}), 0);
        assert_true(ip_from_sockaddr((struct sockaddr *)&from, &ip, &port));
        assert_true(peer_known && ip_equal(&ip, &last_peer));
        assert_int_equal(last_port, port);
        close(fd);
        close_accepted();
        acceptor_free(acceptor);
        listener_close(listener);
        listener = NULL;
        acceptor = NULL;
    }
}

static void who_comes_to_a_unix_socket_has_no_address(void **state)
{
    int fd;

    (void)state;
    accepts_on(path);
    fd = unix_connect();
    assert_true(fd >= 0);
    turn_until_accepted(1);
    assert_false(peer_known);
    close(fd);
}

static void many_connections_are_accepted(void **state)
{
    int fds[CLIENTS_MAX];

    (void)state;
    accepts_on("127.0.0.1");
    for (int i = 0; i < CLIENTS_MAX; i++) {
        fds[i] = tcp_connect("127.0.0.1", listener_port(listener));
        assert_true(fds[i] >= 0);
    }
    turn_until_accepted(CLIENTS_MAX);
    for (int i = 0; i < CLIENTS_MAX; i++)
        close(fds[i]);
}

static void an_acceptor_may_be_freed_inside_accepted(void **state)
{
    int fds[3];

    (void)state;
    accepts_on("127.0.0.1");
    for (int i = 0; i < 3; i++)
        fds[i] = tcp_connect("127.0.0.1", listener_port(listener));
    free_after = 2;
    run_now(loop);
    assert_int_equal(accepted_count, 2);
    assert_null(acceptor);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

/* ---- the listener changes hands, or is closed */

static void who_waits_is_accepted_by_the_next_acceptor(void **state)
{
    struct loop *other = loop_new();
    int fd;

    (void)state;
    accepts_on("127.0.0.1");
    fd = tcp_connect("127.0.0.1", listener_port(listener));
    acceptor_free(acceptor);
    run_now(loop);
    assert_int_equal(accepted_count, 0);

    acceptor = acceptor_new(other, listener, false, accepted, &loop);
    run_now(other);
    assert_int_equal(accepted_count, 1);
    acceptor_free(acceptor);
    acceptor = NULL;
    loop_free(other);
    close(fd);
}

/* Nothing happens: the loop sleeps, and nothing is said. */
static void assert_quiet(int log)
{
    assert_true(run_for(loop, 50) < 10);
    assert_int_equal(lines_in(log), 0);
}

static void a_closed_listener_is_left_alone_without_a_word(void **state)
{
    const char *const addresses[] = {"127.0.0.1", path};
    int log = memfd_create("log", MFD_CLOEXEC);

    (void)state;
    log_setup(log, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        accepts_on(addresses[i]);
        run_now(loop);
        listener_close(listener);
        listener = NULL;
        assert_quiet(log);
        assert_int_equal(accepted_count, 0);
        acceptor_free(acceptor);
        acceptor = NULL;
    }
    log_setup(STDERR_FILENO, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    close(log);
}

static void the_last_to_hold_a_listener_closes_its_descriptor(void **state)
{
    int fd;

    (void)state;
    accepts_on("127.0.0.1");
    fd = listener_fd(listener);
    listener_close(listener);
    listener = NULL;
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    acceptor_free(acceptor);
    acceptor = NULL;
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* ---- out of descriptors */

static rlim_t allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    rlim_t before;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void without_descriptors_accepting_waits_and_warns_once(void **state)
{
    int log = memfd_create("log", MFD_CLOEXEC);
    int clients[2];
    rlim_t before;

    (void)state;
    assert_true(log >= 0);
    log_setup(log, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    accepts_on("127.0.0.1");
    for (int i = 0; i < 2; i++)
        clients[i] = tcp_connect("127.0.0.1", listener_port(listener));

    before = allow_descriptors((rlim_t)clients[1] + 1);
    assert_true(run_for(loop, 5 * ACCEPTOR_STARVED_MS / 2) < 30);
    assert_int_equal(accepted_count, 0);
    assert_int_equal(lines_in(log), 1);

    /* It tries again by itself... */
    allow_descriptors((rlim_t)clients[1] + 2);
    turn_until_accepted(1);
    run_now(loop);
    assert_int_equal(accepted_count, 1);
    assert_int_equal(lines_in(log), 1);

    /* ...each time. */
    allow_descriptors(before);
    run_now(loop);
    assert_int_equal(accepted_count, 1);
    turn_until_accepted(2);
    assert_int_equal(lines_in(log), 2); /* (accepting goes on) */

    log_setup(STDERR_FILENO, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    close(log);
    close(clients[0]);
    close(clients[1]);
}

/* libuv polls a descriptor once on each loop: the second acceptor is refused as by a kernel that is
 * out of memory for it. */
static void what_cannot_be_polled_now_is_tried_again(void **state)
{
    int log = memfd_create("log", MFD_CLOEXEC);
    struct acceptor *first;
    int fd;

    (void)state;
    log_setup(log, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    accepts_on("127.0.0.1");
    first = acceptor;
    acceptor = acceptor_new(loop, listener, false, accepted, &loop);
    assert_int_equal(lines_in(log), 1);
    acceptor_free(first);
    fd = tcp_connect("127.0.0.1", listener_port(listener));
    turn_until_accepted(1);
    run_now(loop);
    assert_int_equal(lines_in(log), 2); /* (accepting goes on) */

    /* It may also go before that. */
    first = acceptor_new(loop, listener, false, accepted, &loop);
    assert_int_equal(lines_in(log), 3);
    acceptor_free(first);
    log_setup(STDERR_FILENO, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    close(log);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_are_accepted_with_the_peers_address),
        TEST(who_comes_to_a_unix_socket_has_no_address),
        TEST(many_connections_are_accepted),
        TEST(an_acceptor_may_be_freed_inside_accepted),
        TEST(who_waits_is_accepted_by_the_next_acceptor),
        TEST(a_closed_listener_is_left_alone_without_a_word),
        TEST(the_last_to_hold_a_listener_closes_its_descriptor),
        TEST(without_descriptors_accepting_waits_and_warns_once),
        TEST(what_cannot_be_polled_now_is_tried_again),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

/* Tests of io/listener. */
#include "io/listener.h"
#include "io_test.h"

#include "base/hostport.h"
#include "base/log.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CLIENTS_MAX 300

static struct loop *loop;
static struct listener *listener;
static int accepted_count;
static int accepted_fds[CLIENTS_MAX];
static bool peer_known;
static struct ip last_peer;
static uint16_t last_port;
static int free_after; /* this many connections the listener is freed inside `accepted`; 0: never */
static char error[256];
static char directory[] = "/tmp/adit-listener-XXXXXX";
static char path[64];

static int option(int fd, int level, int name)
{
    int value = 0;

    assert_int_equal(getsockopt(fd, level, name, &value, &(socklen_t){sizeof value}), 0);
    return value;
}

static void accepted(void *arg, int fd, const struct ip *peer, uint16_t peer_port)
{
    assert_ptr_equal(arg, &loop);
    assert_int_not_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    if (peer != NULL) {
        assert_int_not_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
        assert_int_not_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    }
    assert_true(accepted_count < CLIENTS_MAX);
    accepted_fds[accepted_count++] = fd;
    peer_known = peer != NULL;
    if (peer != NULL)
        last_peer = *peer;
    last_port = peer_port;
    if (accepted_count == free_after) {
        listener_free(listener);
        listener = NULL;
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
    free_after = 0;
    error[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_accepted();
    listener_free(listener);
    loop_free(loop);
    unlink(path);
    return 0;
}

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/socket", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static struct listener *listen_on(const char *address, uint16_t port)
{
    struct listener_address at = {.is_unix = address[0] == '/', .path = address, .port = port};

    if (!at.is_unix)
        assert_true(ip_parse(address, &at.ip));
    return listener_new(loop, &at, accepted, &loop, error, sizeof error);
}

static void listens(const char *address)
{
    listener = listen_on(address, 0);
    assert_string_equal(error, "");
    assert_non_null(listener);
}

static int unix_connect(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
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

/* ---- TCP */

static void connections_are_accepted_with_the_peers_address(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};

    (void)state;
    for (int i = 0; i < (has_ipv6() ? 2 : 1); i++) {
        struct sockaddr_storage from;
        struct ip ip;
        uint16_t port;
        char name[HOSTPORT_TEXT_MAX];
        int fd;

        listens(addresses[i]);
        fd = tcp_connect(addresses[i], listener_port(listener));
        assert_true(fd >= 0);
        turn_until_accepted(1);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &(socklen_t){sizeof from}), 0);
        assert_true(ip_from_sockaddr((struct sockaddr *)&from, &ip, &port));
        assert_true(peer_known && ip_equal(&ip, &last_peer));
        assert_int_equal(last_port, port);
        assert_string_equal(listener_name(listener),
                            hostport_format(addresses[i], listener_port(listener), name));
        close(fd);
        close_accepted();
        listener_free(listener);
        listener = NULL;
    }
}

static void an_address_in_use_is_an_error_that_names_it(void **state)
{
    char expected[128];

    (void)state;
    listens("127.0.0.1");
    assert_null(listen_on("127.0.0.1", listener_port(listener)));
    snprintf(expected, sizeof expected, "%s: Address already in use", listener_name(listener));
    assert_string_equal(error, expected);
    assert_null(listen_on("192.0.2.1", 1080));
    assert_string_equal(error, "192.0.2.1:1080: Cannot assign requested address");
}

static void a_port_can_be_listened_on_again_at_once(void **state)
{
    uint16_t port;
    int fd;

    (void)state;
    listens("127.0.0.1");
    port = listener_port(listener);
    fd = tcp_connect("127.0.0.1", port);
    turn_until_accepted(1);
    close_accepted(); /* this side first: it is left in TIME_WAIT */
    close(fd);
    listener_free(listener);
    listener = listen_on("127.0.0.1", port);
    assert_non_null(listener);
}

static void all_of_ipv4_and_all_of_ipv6_can_be_listened_on(void **state)
{
    struct listener *other;

    (void)state;
    if (!has_ipv6())
        skip();
    listens("0.0.0.0");
    other = listen_on("::", listener_port(listener));
    assert_non_null(other);
    listener_free(other);
}

static void many_connections_are_accepted(void **state)
{
    int fds[CLIENTS_MAX];

    (void)state;
    listens("127.0.0.1");
    for (int i = 0; i < CLIENTS_MAX; i++) {
        fds[i] = tcp_connect("127.0.0.1", listener_port(listener));
        assert_true(fds[i] >= 0);
    }
    turn_until_accepted(CLIENTS_MAX);
    for (int i = 0; i < CLIENTS_MAX; i++)
        close(fds[i]);
}

static void a_listener_may_be_freed_inside_accepted(void **state)
{
    int fds[3];

    (void)state;
    listens("127.0.0.1");
    for (int i = 0; i < 3; i++)
        fds[i] = tcp_connect("127.0.0.1", listener_port(listener));
    free_after = 2;
    run_now(loop);
    assert_int_equal(accepted_count, 2);
    assert_null(listener);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
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

static int lines_in(int file)
{
    char text[4096];
    ssize_t length = pread(file, text, sizeof text, 0);
    int lines = 0;

    for (ssize_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    return lines;
}

static void without_descriptors_accepting_waits_and_warns_once(void **state)
{
    int log = memfd_create("log", MFD_CLOEXEC);
    int clients[2];
    rlim_t before;

    (void)state;
    assert_true(log >= 0);
    log_setup(log, LOG_INFO, LOG_TEXT);
    listens("127.0.0.1");
    for (int i = 0; i < 2; i++)
        clients[i] = tcp_connect("127.0.0.1", listener_port(listener));

    before = allow_descriptors((rlim_t)clients[1] + 1);
    assert_true(run_for(loop, 5 * LISTENER_STARVED_MS / 2) < 30);
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
    assert_int_equal(lines_in(log), 1);

    log_setup(STDERR_FILENO, LOG_INFO, LOG_TEXT);
    close(log);
    close(clients[0]);
    close(clients[1]);
}

/* ---- unix sockets */

static void a_unix_socket_is_its_owners_and_goes_with_the_listener(void **state)
{
    struct stat st;
    char name[128];
    int fd;

    (void)state;
    listens(path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(name, sizeof name, "unix:%s", path);
    assert_string_equal(listener_name(listener), name);
    assert_int_equal(listener_port(listener), 0);
    fd = unix_connect();
    assert_true(fd >= 0);
    turn_until_accepted(1);
    assert_false(peer_known);
    close(fd);
    listener_free(listener);
    listener = NULL;
    assert_int_equal(stat(path, &st), -1);
}

static void a_unix_socket_that_nobody_listens_on_is_replaced(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    int fd;

    (void)state;
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    assert_int_equal(bind(stale, (struct sockaddr *)&at, sizeof at), 0);
    close(stale);
    listens(path);
    fd = unix_connect();
    assert_true(fd >= 0);
    turn_until_accepted(1);
    close(fd);
}

static void a_unix_socket_in_use_is_left_alone(void **state)
{
    char expected[128];
    int fd;

    (void)state;
    listens(path);
    assert_null(listen_on(path, 0));
    snprintf(expected, sizeof expected, "unix:%s: Address already in use", path);
    assert_string_equal(error, expected);
    fd = unix_connect();
    assert_true(fd >= 0);
    close(fd);
    turn_until_accepted(1);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    struct stat st;
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    fclose(file);
    assert_null(listen_on(path, 0));
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void another_listeners_socket_is_not_removed(void **state)
{
    struct listener *other;
    struct stat st;

    (void)state;
    listens(path);
    assert_int_equal(unlink(path), 0);
    other = listen_on(path, 0);
    assert_non_null(other);
    listener_free(listener);
    listener = other;
    assert_int_equal(stat(path, &st), 0);
}

static void a_path_that_cannot_be_is_an_error(void **state)
{
    char longest[200];

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_null(listen_on(longest, 0));
    assert_non_null(strstr(error, "File name too long"));
    assert_null(listen_on("/nowhere/at/all", 0));
    assert_string_equal(error, "unix:/nowhere/at/all: No such file or directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_are_accepted_with_the_peers_address),
        TEST(an_address_in_use_is_an_error_that_names_it),
        TEST(a_port_can_be_listened_on_again_at_once),
        TEST(all_of_ipv4_and_all_of_ipv6_can_be_listened_on),
        TEST(many_connections_are_accepted),
        TEST(a_listener_may_be_freed_inside_accepted),
        TEST(without_descriptors_accepting_waits_and_warns_once),
        TEST(a_unix_socket_is_its_owners_and_goes_with_the_listener),
        TEST(a_unix_socket_that_nobody_listens_on_is_replaced),
        TEST(a_unix_socket_in_use_is_left_alone),
        TEST(what_is_no_socket_is_left_alone),
        TEST(another_listeners_socket_is_not_removed),
        TEST(a_path_that_cannot_be_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

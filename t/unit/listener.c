/* Tests of io/listener. */
#include "listener_test.h"

#include "base/hostport.h"

#include <sys/stat.h>

static struct listener *listener;
static struct listener *other;
static char error[256];

static int set_up(void **state)
{
    (void)state;
    listener = NULL;
    other = NULL;
    error[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    listener_close(listener);
    listener_close(other);
    unlink(path);
    return 0;
}

static void listens(const char *address)
{
    listener = listen_on(address, 0, error);
    assert_string_equal(error, "");
    assert_non_null(listener);
}

static void closes(void)
{
    listener_close(listener);
    listener = NULL;
}

/* Another reference, perhaps on another thread, is still held. */
static struct listener *closes_while_held(void)
{
    struct listener *held = listener_ref(listener);

    closes();
    return held;
}

/* ---- TCP */

static void a_listener_is_named_by_its_address(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};

    (void)state;
    for (int i = 0; i < (has_ipv6() ? 2 : 1); i++) {
        char name[HOSTPORT_TEXT_MAX];
        int fd;

        listens(addresses[i]);
        assert_string_equal(listener_name(listener),
                            hostport_format(addresses[i], listener_port(listener), name));
        fd = tcp_connect(addresses[i], listener_port(listener));
        assert_true(fd >= 0);
        close(fd);
        closes();
    }
}

static void an_address_in_use_is_an_error_that_names_it(void **state)
{
    char expected[128];

    (void)state;
    listens("127.0.0.1");
    assert_null(listen_on("127.0.0.1", listener_port(listener), error));
    snprintf(expected, sizeof expected, "%s: Address already in use", listener_name(listener));
    assert_string_equal(error, expected);
    assert_null(listen_on("192.0.2.1", 1080, error));
    assert_string_equal(error, "192.0.2.1:1080: Cannot assign requested address");
}

static void a_port_can_be_listened_on_again_at_once(void **state)
{
    uint16_t port;
    int client, accepted;

    (void)state;
    listens("127.0.0.1");
    port = listener_port(listener);
    client = tcp_connect("127.0.0.1", port);
    accepted = accept(listener_fd(listener), NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted); /* this side first: it is left in TIME_WAIT */
    close(client);
    closes();
    listener = listen_on("127.0.0.1", port, error);
    assert_non_null(listener);
}

static void all_of_ipv4_and_all_of_ipv6_can_be_listened_on(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    listens("0.0.0.0");
    other = listen_on("::", listener_port(listener), error);
    assert_non_null(other);
}

/* ---- closed while it is held */

static void assert_accepts_nobody(const struct listener *held)
{
    assert_true(listener_is_closed(held));
    assert_int_equal(accept(listener_fd(held), NULL, NULL), -1);
}

static void nobody_connects_any_more(void **state)
{
    struct listener *held;
    uint16_t port;
    int waiting;
    char byte;

    (void)state;
    listens("127.0.0.1");
    port = listener_port(listener);
    waiting = tcp_connect("127.0.0.1", port);
    assert_true(waiting >= 0);
    assert_false(listener_is_closed(listener));
    held = closes_while_held();
    assert_int_equal(tcp_connect("127.0.0.1", port), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(recv(waiting, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_accepts_nobody(held);
    listener_unref(held);
    close(waiting);
}

static void its_port_can_be_listened_on_again(void **state)
{
    struct listener *held;
    uint16_t port = 0;
    int fd = tcp_listen("127.0.0.1", &port, 1); /* to be given one */

    (void)state;
    close(fd);
    for (int i = 0; i < 2; i++) {
        listener = listen_on("127.0.0.1", port, error);
        assert_string_equal(error, "");
        held = closes_while_held();
        other = listen_on("127.0.0.1", port, error);
        assert_string_equal(error, "");
        fd = tcp_connect("127.0.0.1", port);
        assert_true(fd >= 0);
        close(fd);
        assert_accepts_nobody(held);
        listener_unref(held);
        listener_close(other);
        other = NULL;
    }
}

static void nobody_connects_to_its_path_any_more(void **state)
{
    struct listener *held;
    char second[sizeof path + 8]; /* to find it by when its own path is gone */
    int waiting;
    char byte;

    (void)state;
    listens(path);
    waiting = unix_connect();
    assert_true(waiting >= 0);
    snprintf(second, sizeof second, "%s-too", path);
    assert_int_equal(link(path, second), 0);
    held = closes_while_held();
    assert_int_equal(unix_connect(), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(rename(second, path), 0);
    assert_int_equal(unix_connect(), -1);
    assert_int_equal(errno, ECONNREFUSED);
    listener_unref(held);
    assert_int_equal(recv(waiting, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(waiting);
}

static void its_path_can_be_listened_on_again(void **state)
{
    struct listener *held;
    int fd;

    (void)state;
    listens(path);
    held = closes_while_held();
    other = listen_on(path, 0, error);
    assert_string_equal(error, "");
    assert_accepts_nobody(held);
    listener_unref(held);
    fd = unix_connect();
    assert_true(fd >= 0);
    close(fd);
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
    close(fd);
    closes();
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
    close(fd);
}

static void a_unix_socket_in_use_is_left_alone(void **state)
{
    char expected[128];
    int fd;

    (void)state;
    listens(path);
    assert_null(listen_on(path, 0, error));
    snprintf(expected, sizeof expected, "unix:%s: Address already in use", path);
    assert_string_equal(error, expected);
    fd = unix_connect();
    assert_true(fd >= 0);
    close(fd);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    struct stat st;
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    fclose(file);
    assert_null(listen_on(path, 0, error));
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void another_listeners_socket_is_not_removed(void **state)
{
    struct stat st;

    (void)state;
    listens(path);
    assert_int_equal(unlink(path), 0);
    other = listen_on(path, 0, error);
    assert_non_null(other);
    closes();
    assert_int_equal(stat(path, &st), 0);
}

static void a_path_that_cannot_be_is_an_error(void **state)
{
    char longest[200];

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_null(listen_on(longest, 0, error));
    assert_non_null(strstr(error, "File name too long"));
    assert_null(listen_on("/nowhere/at/all", 0, error));
    assert_string_equal(error, "unix:/nowhere/at/all: No such file or directory");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_listener_is_named_by_its_address),
        TEST(an_address_in_use_is_an_error_that_names_it),
        TEST(a_port_can_be_listened_on_again_at_once),
        TEST(all_of_ipv4_and_all_of_ipv6_can_be_listened_on),
        TEST(nobody_connects_any_more),
        TEST(its_port_can_be_listened_on_again),
        TEST(nobody_connects_to_its_path_any_more),
        TEST(its_path_can_be_listened_on_again),
        TEST(a_unix_socket_is_its_owners_and_goes_with_the_listener),
        TEST(a_unix_socket_that_nobody_listens_on_is_replaced),
        TEST(a_unix_socket_in_use_is_left_alone),
        TEST(what_is_no_socket_is_left_alone),
        TEST(another_listeners_socket_is_not_removed),
        TEST(a_path_that_cannot_be_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

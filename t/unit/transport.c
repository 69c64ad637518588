/* Tests of session_libssh/transport: what libssh's calls get, and everybody else's. */
#include "session_libssh/transport.h"

#include <errno.h>
#include <openssl/rand.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A number that no descriptor has. */
#define NO_SOCKET 60000

#define MANY 300
#define SIZE 16

static unsigned char drawn[MANY][SIZE];

static void draw_many(void)
{
    for (int i = 0; i < MANY; i++)
        assert_int_equal(RAND_bytes(drawn[i], SIZE), 1);
}

/* Sixteen bytes do not come twice by chance. */
static void assert_all_differ(void)
{
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(drawn[i], drawn[j], SIZE);
}

static void before_a_session_is_driven_random_bytes_are_openssl_s(void **state)
{
    (void)state;
    draw_many();
    assert_all_differ();
}

static void each_random_byte_is_handed_out_once(void **state)
{
    (void)state;
    transport_enter(NO_SOCKET, true);
    draw_many();
    assert_all_differ();
}

static void every_length_is_served(void **state)
{
    (void)state;
    transport_enter(NO_SOCKET, true);
    for (int length = 0; length < 600; length++) {
        unsigned char bytes[601] = {0};
        unsigned seen = 0;

        /* (A byte may be 0 by chance, but not sixteen times.) */
        for (int again = 0; again < 16; again++) {
            assert_int_equal(RAND_bytes(bytes, length), 1);
            seen |= length > 0 ? bytes[length - 1] : 1;
            assert_int_equal(bytes[length], 0);
        }
        assert_int_not_equal(seen, 0);
    }
    assert_int_equal(RAND_bytes(drawn[0], -1), 0);
}

/* Which is what ends a libssh that would send packets for ever. */
static void without_packets_left_there_is_no_padding(void **state)
{
    (void)state;
    transport_enter(NO_SOCKET, true);
    assert_int_equal(transport_limit(3), TRANSPORT_UNLIMITED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(RAND_bytes(drawn[0], SIZE), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(RAND_bytes(drawn[0], SIZE), 0);
    assert_int_equal(transport_limit(TRANSPORT_UNLIMITED), 0);
    draw_many();
}

/* A key must not come from a block that is kept, and nobody else is limited. */
static void outside_of_a_session_nothing_is_limited(void **state)
{
    (void)state;
    transport_enter(NO_SOCKET, true);
    transport_limit(0);
    transport_leave();
    draw_many();
    assert_all_differ();
    transport_enter(NO_SOCKET, false);
    assert_int_equal(RAND_bytes(drawn[0], SIZE), 0);
    assert_int_equal(RAND_bytes(drawn[0], 32), 1);
    transport_limit(TRANSPORT_UNLIMITED);
    transport_leave();
}

/* What a fortified libssh calls. */
ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
int __poll_chk(struct pollfd *fds, nfds_t count, int milliseconds, size_t room);

struct socket_scene {
    int fd, peer;
    int duplicate;
    char got[8];
};

static int socket_scene_make(void **state)
{
    static struct socket_scene scene;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    scene = (struct socket_scene){.fd = ends[0], .peer = ends[1], .duplicate = dup(ends[0])};
    *state = &scene;
    return 0;
}

static int socket_scene_end(void **state)
{
    struct socket_scene *s = *state;

    transport_leave();
    close(s->fd);
    close(s->peer);
    close(s->duplicate);
    return 0;
}

static short polled(const struct socket_scene *s, short events)
{
    struct pollfd fd = {.fd = s->fd, .events = events};

    return poll(&fd, 1, 0) > 0 ? fd.revents : 0;
}

static void a_session_s_input_comes_from_the_buffer(void **state)
{
    struct socket_scene *s = *state;
    struct pollfd fd = {.fd = s->fd, .events = POLLIN | POLLOUT};

    transport_enter(s->fd, true);
    assert_int_equal(write(s->peer, "abcdef", 6), 6);
    /* Not before the turn's read. */
    assert_int_equal(polled(s, POLLIN), 0);
    assert_int_equal(recv(s->fd, s->got, 2, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(transport_fill(s->duplicate));
    assert_int_equal(polled(s, POLLIN | POLLOUT), POLLIN);
    assert_int_equal(__poll_chk(&fd, 1, 0, sizeof(fd)), 1);
    assert_int_equal(fd.revents, POLLIN);
    assert_int_equal(recv(s->fd, s->got, 2, 0), 2);
    assert_int_equal(__recv_chk(s->fd, s->got + 2, 6, 6, 0), 4);
    assert_memory_equal(s->got, "abcdef", 6);
    assert_false(transport_pending());
    transport_drop();
}

static void output_waits_until_it_is_let_out(void **state)
{
    struct socket_scene *s = *state;

    transport_enter(s->fd, true);
    transport_let_out(false);
    assert_int_equal(polled(s, POLLOUT), 0);
    transport_let_out(true);
    assert_int_equal(polled(s, POLLOUT), POLLOUT);
    transport_let_out(false);
}

static void a_session_without_a_buffer_has_the_kernel_s(void **state)
{
    struct socket_scene *s = *state;

    transport_enter(s->fd, false);
    assert_int_equal(write(s->peer, "abc", 3), 3);
    assert_int_equal(polled(s, POLLIN | POLLOUT), POLLIN | POLLOUT);
    assert_int_equal(recv(s->fd, s->got, sizeof(s->got), 0), 3);
}

static void a_login_s_calls_are_noticed(void **state)
{
    struct socket_scene *s = *state;

    transport_watch(s->fd, &(struct transport_watcher){0});
    assert_false(transport_is_called());
    transport_watch(s->fd, &(struct transport_watcher){0});
    polled(s, POLLIN);
    assert_false(transport_is_called()); /* both are needed */
    transport_watch(s->fd, &(struct transport_watcher){0});
    polled(s, POLLIN);
    (void)!recv(s->peer, s->got, 1, 0); /* another's */
    assert_false(transport_is_called());
    transport_watch(s->fd, &(struct transport_watcher){0});
    polled(s, POLLIN);
    (void)!__recv_chk(s->fd, s->got, 1, 1, 0);
    assert_true(transport_is_called());
}

static void count_wait(void *arg)
{
    ++*(int *)arg;
}

static void a_login_s_waits_are_told_and_end(void **state)
{
    struct socket_scene *s = *state;
    struct pollfd closed = {.fd = -1, .events = POLLIN};
    int waits = 0;

    transport_watch(s->fd, &(struct transport_watcher){.wait = count_wait, .arg = &waits});
    polled(s, POLLIN); /* (which does not wait) */
    assert_int_equal(waits, 0);
    assert_int_equal(write(s->peer, "abc", 3), 3);
    assert_int_equal(poll(&(struct pollfd){.fd = s->fd, .events = POLLIN}, 1, 1000), 1);
    assert_int_equal(waits, 1);
    assert_int_equal(poll(&closed, 1, 60000), -1); /* the socket that libssh has closed */
    assert_int_equal(errno, EBADF);
    transport_is_called();
    assert_int_equal(poll(&closed, 1, 0), 0);
}

/* What is received of `sent`, in pieces of so many bytes. */
static char *received(const struct socket_scene *s, const char *sent, size_t piece)
{
    static char got[20000];
    size_t length = strlen(sent), at = 0;

    assert_true(length < sizeof(got));
    memset(got, 0, sizeof(got));
    transport_watch(s->fd, &(struct transport_watcher){0});
    while (at < length) {
        size_t size = length - at < piece ? length - at : piece;
        assert_int_equal(write(s->peer, sent + at, size), size);
        assert_int_equal(recv(s->fd, got + at, size, 0), size);
        at += size;
    }
    transport_is_called();
    return got;
}

/* So many times "x", and then the text. */
static char *behind(size_t length, const char *text)
{
    static char line[20000];

    memset(line, 'x', length);
    strcpy(line + length, text);
    return line;
}

static const char server_version[] = "SSH-2.0-x\r\n";
static const size_t pieces[] = {1, 3, 127, 20000};

static void long_lines_before_a_version_are_folded(void **state)
{
    static const size_t lengths[] = {129, 255, 256, 1500, 8191};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
            char *sent = behind(lengths[i], "\r\nSSH-2.0-x\r\n");
            char *got = received(*state, sent, pieces[j]);
            size_t length = strlen(sent), versions = 0;

            assert_int_equal(strlen(got), length);
            for (char *line = got; *line != '\0'; line += strcspn(line, "\n") + 1) {
                assert_in_range(strcspn(line, "\n"), 0, 200);
                versions += strncmp(line, "SSH-", 4) == 0;
            }
            assert_int_equal(versions, 1);
            assert_string_equal(got + length - strlen(server_version), server_version);
        }
}

/* Bytes that are a version where a long line is folded are none. */
static void a_version_within_a_line_is_none(void **state)
{
    static char sent[600];

    for (size_t at = 1; at < 300; at++) {
        memset(sent, 'x', 300);
        memcpy(sent + at, "SSH-2.0-y", 9);
        strcpy(sent + 309, "\nSSH-2.0-x\r\n");
        memset(sent + at + 9, 'x', 300 - at);
        char *got = received(*state, sent, 64);
        assert_ptr_equal(strstr(got, "\nSSH-"), got + 309);
    }
}

static void other_bytes_of_a_login_are_as_they_came(void **state)
{
    static const char *const cases[] = {
        "SSH-2.0-x\r\n",
        "hello\r\n\r\nSSH\nSS\nSSH-2.0-x\r\n",
        "SSSH-\nSSH-2.0-x\n",
        "",
    };
    char *packets = behind(0, "SSH-2.0-x\r\n");

    memset(packets + strlen(server_version), 'x', 5000); /* no line, and no version */
    for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
            assert_string_equal(received(*state, cases[i], pieces[j]), cases[i]);
        assert_string_equal(received(*state, packets, pieces[j]), packets);
    }
    /* Beyond what ssh(1) takes it is libssh's to refuse. */
    assert_null(strchr(received(*state, behind(12000, ""), 1000) + 8192, '\n'));
}

#define WITH_SOCKETS(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, socket_scene_make, socket_scene_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_a_session_is_driven_random_bytes_are_openssl_s),
        cmocka_unit_test(each_random_byte_is_handed_out_once),
        cmocka_unit_test(every_length_is_served),
        cmocka_unit_test(without_packets_left_there_is_no_padding),
        cmocka_unit_test(outside_of_a_session_nothing_is_limited),
        WITH_SOCKETS(a_session_s_input_comes_from_the_buffer),
        WITH_SOCKETS(output_waits_until_it_is_let_out),
        WITH_SOCKETS(a_session_without_a_buffer_has_the_kernel_s),
        WITH_SOCKETS(a_login_s_calls_are_noticed),
        WITH_SOCKETS(a_login_s_waits_are_told_and_end),
        WITH_SOCKETS(long_lines_before_a_version_are_folded),
        WITH_SOCKETS(a_version_within_a_line_is_none),
        WITH_SOCKETS(other_bytes_of_a_login_are_as_they_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

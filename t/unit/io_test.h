/* What the tests of io share: driving a loop from outside, and pairs of sockets. */
#ifndef ADIT_T_IO_TEST_H
#define ADIT_T_IO_TEST_H

#include "base/ip.h"
#include "io/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* How long anything may take before a test fails. */
#define PATIENCE_MS 20000

struct alarm {
    struct deadline deadline;
    bool rung;
};

static inline void alarm_rings(struct deadline *deadline)
{
    container_of(deadline, struct alarm, deadline)->rung = true;
}

/* Turns the loop until `*condition`. */
static inline void run_until(struct loop *loop, const bool *condition)
{
    struct alarm alarm = {0};

    deadline_arm(loop, &alarm.deadline, PATIENCE_MS, alarm_rings);
    while (!*condition) {
        assert_false(alarm.rung);
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    deadline_cancel(&alarm.deadline);
}

/* Turns the loop for a time; says how many turns that were. */
static inline int run_for(struct loop *loop, uint64_t milliseconds)
{
    struct alarm alarm = {0};
    int turns = 0;

    uv_update_time(loop_uv(loop));
    deadline_arm(loop, &alarm.deadline, milliseconds, alarm_rings);
    for (; !alarm.rung; turns++)
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    return turns;
}

/* Turns the loop until all that is due now has happened. */
static inline void run_now(struct loop *loop)
{
    for (int i = 0; i < 4; i++)
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

/* Whether this machine has ::1. */
static inline bool has_ipv6(void)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

/* A TCP socket that listens on `text` ("127.0.0.1"), on `*port` or, if that is 0, on any port. */
static inline int tcp_listen(const char *text, uint16_t *port, int backlog)
{
    struct sockaddr_storage at;
    struct ip ip;
    socklen_t length;
    int fd;

    assert_true(ip_parse(text, &ip));
    length = ip_to_sockaddr(&ip, *port, &at);
    fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, length), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    assert_true(ip_from_sockaddr((struct sockaddr *)&at, &ip, port));
    return fd;
}

/* A blocking TCP connection to `text`; -1 and errno if there is none. */
static inline int tcp_connect(const char *text, uint16_t port)
{
    struct sockaddr_storage to;
    struct ip ip;
    socklen_t length;
    int fd;

    assert_true(ip_parse(text, &ip));
    length = ip_to_sockaddr(&ip, port, &to);
    fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, length) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void tcp_pair(int fds[static 2])
{
    uint16_t port = 0;
    int listener = tcp_listen("127.0.0.1", &port, 1);

    fds[0] = tcp_connect("127.0.0.1", port);
    assert_true(fds[0] >= 0);
    fds[1] = accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(listener);
}

static inline void unix_pair(int fds[static 2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void set_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

#endif

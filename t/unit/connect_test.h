/* What tests of io/connect share: a caller, and ports on loopback. */
#ifndef ADIT_T_CONNECT_TEST_H
#define ADIT_T_CONNECT_TEST_H

#include "io/connect.h"
#include "io_test.h"

#include <stdio.h>

struct caller {
    struct loop *loop;
    struct connect *connect;
    bool done;
    bool connected;
    const struct ip *from; /* where to connect from; NULL: anywhere */
    enum descriptor_use use;
    struct connect_options more;   /* as it is given, but for the addresses, port and time */
    int service, class, keepalive; /* of the socket */
    char address[IP_TEXT_MAX];
    char local[IP_TEXT_MAX];
    char error[200];
    uint64_t began, ended;
};

static void local_address(int fd, char text[static IP_TEXT_MAX])
{
    struct sockaddr_storage sa;
    socklen_t length = sizeof sa;
    struct ip ip;
    uint16_t port;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
    assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &ip, &port));
    ip_format(&ip, text);
}

static int option(int fd, int level, int name)
{
    int value = -1;

    getsockopt(fd, level, name, &value, &(socklen_t){sizeof value});
    return value;
}

static void done(void *arg, int fd, const struct ip *address, const char *error)
{
    struct caller *caller = arg;

    assert_non_null(caller->connect); /* connect_start has returned */
    assert_false(caller->done);
    caller->done = true;
    caller->ended = loop_now(caller->loop);
    caller->connected = fd >= 0;
    if (fd >= 0) {
        assert_null(error);
        assert_int_not_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        ip_format(address, caller->address);
        local_address(fd, caller->local);
        caller->service = option(fd, IPPROTO_IP, IP_TOS);
        caller->class = option(fd, IPPROTO_IPV6, IPV6_TCLASS);
        caller->keepalive = option(fd, SOL_SOCKET, SO_KEEPALIVE);
        close(fd);
    } else {
        assert_null(address);
        snprintf(caller->error, sizeof caller->error, "%s", error);
    }
}

static struct caller caller;

static int set_up(void **state)
{
    (void)state;
    caller = (struct caller){.loop = loop_new()};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(caller.loop);
    return 0;
}

static void starts(const char *const *addresses, size_t count, uint16_t port, uint64_t timeout)
{
    struct ip ips[8];

    for (size_t i = 0; i < count; i++)
        assert_true(ip_parse(addresses[i], &ips[i]));
    uv_update_time(loop_uv(caller.loop));
    caller.began = loop_now(caller.loop);
    struct connect_options options = caller.more;
    options.addresses = ips;
    options.count = count;
    options.port = port;
    options.from = caller.from;
    options.timeout_ms = timeout;
    options.use = caller.use;
    caller.connect = connect_start(caller.loop, &options, done, &caller);
    assert_false(caller.done);
}

#define STARTS(port, timeout, ...)                                                                 \
    starts((const char *const[]){__VA_ARGS__},                                                     \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), port, timeout)

/* A port where nobody listens. */
static uint16_t closed_port(void)
{
    uint16_t port = 0;

    close(tcp_listen("127.0.0.1", &port, 1));
    return port;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

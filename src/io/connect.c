/* Outgoing TCP connections: one attempt at a time, each with its share of the time that is left.
 * When all addresses have failed they may be tried again. */
#include "io/connect.h"

#include "base/mem.h"
#include "base/units.h"
#include "io/interface_address.h"
#include "io/socket.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ERROR_TEXT_MAX 240

/* Apart from its connect, as libuv uses it until the handle is closed. */
struct connect_attempt {
    uv_poll_t poll;
    struct connect *connect;
    int fd;
};

struct connect {
    struct loop *loop;
    struct ip *addresses;
    size_t count;
    size_t tried; /* the last of these is under way, or was the last to fail */
    uint16_t port;
    enum descriptor_use use;
    bool bound;
    struct ip from;  /* if bound */
    char *interface; /* NULL: any */
    bool no_keepalive;
    unsigned char service;
    unsigned zone;  /* 0: none */
    unsigned again; /* how often the addresses are tried anew when all have failed */
    uint64_t timeout_ms;
    uint64_t due;                    /* of this round of the addresses */
    struct connect_attempt *attempt; /* NULL: none under way */
    struct deadline deadline;
    struct later start;
    char error[ERROR_TEXT_MAX];
    connect_done_fn *done;
    void *arg;
};

static void on_attempt_freed(uv_handle_t *poll)
{
    free(container_of(poll, struct connect_attempt, poll));
}

/* Ends the attempt under way; its descriptor is the caller's. */
static int detach_attempt(struct connect *c)
{
    struct connect_attempt *attempt = c->attempt;

    c->attempt = NULL;
    deadline_cancel(&c->deadline);
    uv_close((uv_handle_t *)&attempt->poll, on_attempt_freed);
    return attempt->fd;
}

/* Frees the attempt, then calls `done`, which may do anything. */
static void finish(struct connect *c, int fd)
{
    struct connect last = *c;
    struct ip address = {0};

    if (fd >= 0)
        address = c->addresses[c->tried - 1];
    free(c->addresses);
    free(c->interface);
    free(c);
    last.done(last.arg, fd, fd >= 0 ? &address : NULL, fd >= 0 ? NULL : last.error);
}

static void set_connect_error(struct connect *c, int error)
{
    char text[IP_TEXT_MAX];

    ip_format(&c->addresses[c->tried - 1], text);
    if (error == ENODEV && c->interface != NULL) /* of bind_to_interface */
        snprintf(c->error, sizeof c->error,
                 "%s port %u: the network interface %s is not there, is down, or has no IPv%d "
                 "address to connect from (BindInterface)",
                 text, c->port, c->interface, ip_is_v4(&c->addresses[c->tried - 1]) ? 4 : 6);
    else
        snprintf(c->error, sizeof c->error, "%s port %u: %s", text, c->port, strerror(error));
}

static void try_next(struct connect *c);
static void on_pause_over(struct deadline *deadline);

/* The attempt under way failed. */
static void on_attempt_failed(struct connect *c, int error)
{
    close(detach_attempt(c));
    set_connect_error(c, error);
    try_next(c);
}

static void on_attempt_expired(struct deadline *deadline)
{
    on_attempt_failed(container_of(deadline, struct connect, deadline), ETIMEDOUT);
}

static void on_connect_answered(uv_poll_t *poll, int status, int events)
{
    struct connect *c = container_of(poll, struct connect_attempt, poll)->connect;
    int error = 0;

    (void)status; /* of the poll; the socket's own error is what counts */
    (void)events;
    if (getsockopt(c->attempt->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) != 0)
        error = errno;
    if (error != 0)
        on_attempt_failed(c, error);
    else
        finish(c, detach_attempt(c));
}

/* Polls for the answer to connect(2) on `fd`, which is taken on success. Else an errno. */
static int await_answer(struct connect *c, int fd)
{
    struct connect_attempt *attempt = mem_zalloc(sizeof *attempt);
    uint64_t now = loop_now(c->loop);
    uint64_t left = c->due > now ? c->due - now : 0;
    int error = uv_poll_init(loop_uv(c->loop), &attempt->poll, fd);

    if (error != 0) {
        free(attempt);
        return -error;
    }
    attempt->connect = c;
    attempt->fd = fd;
    c->attempt = attempt;
    uv_poll_start(&attempt->poll, UV_WRITABLE, on_connect_answered);
    deadline_arm(c->loop, &c->deadline, left / (c->count - c->tried + 1), on_attempt_expired);
    return 0;
}

/* Gives the socket its local address. Else an errno. */
static int bind_to(int fd, const struct ip *from, const struct ip *to)
{
    struct sockaddr_storage sa;
    socklen_t length = ip_to_sockaddr(from, 0, &sa);

    if (ip_is_v4(from) != ip_is_v4(to))
        return EAFNOSUPPORT;
    return bind(fd, (struct sockaddr *)&sa, length) == 0 ? 0 : errno;
}

/* Gives the socket an address of the interface, as ssh's BindInterface. Else an errno; ENODEV: the
 * interface has no such address. */
static int bind_to_interface(int fd, const char *interface, int family)
{
    struct sockaddr_storage address;
    socklen_t length;
    int error = interface_address(interface, family, &address, &length);

    if (error != 0)
        return error;
    return bind(fd, (struct sockaddr *)&address, length) == 0 ? 0 : errno;
}

unsigned connect_zone(const char *name)
{
    unsigned zone = if_nametoindex(name);
    uint64_t number;

    return zone == 0 && integer_parse(name, 1, UINT32_MAX, &number) ? (unsigned)number : zone;
}

static socklen_t address_of(const struct connect *c, const struct ip *ip,
                            struct sockaddr_storage *address)
{
    socklen_t length = ip_to_sockaddr(ip, c->port, address);

    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_scope_id = c->zone;
    return length;
}

/* (As in ssh, a class that the system refuses is no reason to fail.) */
static void set_service(int fd, int family, int service)
{
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &service, sizeof service);
    else
        setsockopt(fd, IPPROTO_IP, IP_TOS, &service, sizeof service);
}

/* Starts an attempt at `address`. Else an errno. */
static int attempt_start(struct connect *c, const struct ip *address)
{
    struct sockaddr_storage to;
    socklen_t length = address_of(c, address, &to);
    int fd = descriptor_unless_reserved(
        socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), c->use);
    int error = 0;

    if (fd < 0)
        return errno;
    socket_prepare(fd);
    if (c->no_keepalive)
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){0}, sizeof(int));
    if (c->service != 0)
        set_service(fd, to.ss_family, c->service);
    if (c->bound)
        error = bind_to(fd, &c->from, address);
    else if (c->interface != NULL)
        error = bind_to_interface(fd, c->interface, to.ss_family);
    if (error == 0 && connect(fd, (struct sockaddr *)&to, length) != 0 && errno != EINPROGRESS)
        error = errno;
    if (error == 0)
        error = await_answer(c, fd);
    if (error != 0)
        close(fd);
    return error;
}

static void try_next(struct connect *c)
{
    while (c->tried < c->count) {
        int error = attempt_start(c, &c->addresses[c->tried++]);

        if (error == 0)
            return;
        set_connect_error(c, error);
    }
    if (c->again == 0) {
        finish(c, -1);
        return;
    }
    c->again--;
    deadline_arm(c->loop, &c->deadline, CONNECT_PAUSE_MS, on_pause_over);
}

static void on_pause_over(struct deadline *deadline)
{
    struct connect *c = container_of(deadline, struct connect, deadline);

    c->tried = 0;
    c->due = loop_now(c->loop) + c->timeout_ms;
    try_next(c);
}

static void on_connect_start(struct later *later)
{
    try_next(container_of(later, struct connect, start));
}

struct connect *connect_start(struct loop *loop, const struct connect_options *options,
                              connect_done_fn *done, void *arg)
{
    struct connect *c = mem_zalloc(sizeof *c);

    c->loop = loop;
    c->addresses = mem_zalloc(options->count * sizeof *c->addresses);
    if (options->count > 0)
        memcpy(c->addresses, options->addresses, options->count * sizeof *c->addresses);
    c->count = options->count;
    c->port = options->port;
    c->zone = options->zone;
    c->use = options->use;
    c->bound = options->from != NULL;
    if (options->from != NULL)
        c->from = *options->from;
    if (options->interface != NULL)
        c->interface = mem_strdup(options->interface);
    c->no_keepalive = options->no_keepalive;
    c->service = options->service;
    c->again = options->count > 0 ? options->again : 0;
    c->timeout_ms = options->timeout_ms;
    c->due = loop_now(loop) + options->timeout_ms;
    snprintf(c->error, sizeof c->error, "no address to connect to");
    c->done = done;
    c->arg = arg;
    later_post(loop, &c->start, on_connect_start);
    return c;
}

void connect_cancel(struct connect *c)
{
    if (c == NULL)
        return;
    later_cancel(c->loop, &c->start);
    deadline_cancel(&c->deadline);
    if (c->attempt != NULL)
        close(detach_attempt(c));
    free(c->addresses);
    free(c->interface);
    free(c);
}

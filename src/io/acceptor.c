/* Accepting connections, over uv_poll. */
#include "io/acceptor.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How many connections one acceptor takes in one turn of the loop. */
#define ACCEPT_BURST 64

struct acceptor {
    struct loop *loop;
    struct listener *listener;
    uv_poll_t poll;
    bool polled; /* libuv has `poll` */
    bool freed;
    bool warned;              /* of starving; until the backlog is empty */
    uint64_t starved_at;      /* when that began */
    struct deadline starving; /* armed: there was no descriptor or no memory */
    int bound;                /* descriptors from this number on are not for its connections */
    acceptor_accepted *accepted;
    void *arg;
};

static bool acceptor_begin(struct acceptor *a);
static void acceptor_take(struct acceptor *a);

/* Whether the next descriptor would be one of the last, or there is none. */
static bool is_short_of_descriptors(const struct acceptor *a)
{
    int probe = eventfd(0, EFD_CLOEXEC);

    if (probe >= 0)
        close(probe);
    return probe < 0 || probe >= a->bound;
}

static void acceptor_try_again(struct deadline *starving)
{
    struct acceptor *a = container_of(starving, struct acceptor, starving);

    if (is_short_of_descriptors(a))
        deadline_arm(a->loop, &a->starving, ACCEPTOR_STARVED_MS, acceptor_try_again);
    else if (acceptor_begin(a))
        acceptor_take(a); /* (no event comes if nobody waits any more) */
}

static void acceptor_starve(struct acceptor *a, int error)
{
    if (!a->warned) {
        log_warning("%s: accepting is suspended: %s", listener_name(a->listener), strerror(error));
        a->starved_at = loop_now(a->loop);
    }
    a->warned = true;
    if (a->polled)
        uv_poll_stop(&a->poll);
    deadline_arm(a->loop, &a->starving, ACCEPTOR_STARVED_MS, acceptor_try_again);
}

/* Nobody waits to be accepted. */
static void acceptor_recover(struct acceptor *a)
{
    uint64_t tenths = (loop_now(a->loop) - a->starved_at + 50) / 100;

    if (a->warned)
        log_warning("%s: accepting goes on after %llu.%llu s", listener_name(a->listener),
                    (unsigned long long)tenths / 10, (unsigned long long)tenths % 10);
    a->warned = false;
}

/* Errors of the connection, not of the listener: accept(2) wants them treated as EAGAIN. */
static bool is_connection_error(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
    }
}

static void acceptor_hand_over(struct acceptor *a, int fd, const struct sockaddr *from)
{
    struct accepted connection = {.fd = fd};

    connection.from_ip = ip_from_sockaddr(from, &connection.peer, &connection.peer_port);
    a->accepted(a->arg, &connection);
}

/* Accepts those who wait, up to ACCEPT_BURST. */
static void acceptor_take(struct acceptor *a)
{
    for (int i = 0; i < ACCEPT_BURST && !a->freed; i++) {
        struct sockaddr_storage from = {0};
        int fd;

        if (listener_leaves_queue(a->listener)) {
            uv_poll_stop(&a->poll);
            return;
        }
        fd = accept4(listener_fd(a->listener), (struct sockaddr *)&from, &(socklen_t){sizeof from},
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            bool last = fd >= a->bound;
            acceptor_hand_over(a, fd, (struct sockaddr *)&from);
            if (last && !a->freed) {
                acceptor_starve(a, EMFILE);
                return;
            }
        } else if (listener_is_closed(a->listener)) {
            uv_poll_stop(&a->poll);
            return;
        } else if (errno == EAGAIN) {
            acceptor_recover(a);
            return;
        } else if (!is_connection_error(errno)) {
            acceptor_starve(a, errno);
            return;
        }
    }
}

static void acceptor_on_poll(uv_poll_t *poll, int status, int events)
{
    struct acceptor *a = container_of(poll, struct acceptor, poll);

    (void)events;
    if (status < 0 && !listener_is_closed(a->listener)) /* (libuv has stopped polling.) */
        acceptor_starve(a, -status);
    else
        acceptor_take(a);
}

/* False: libuv cannot poll, which is tried again later. */
static bool acceptor_begin(struct acceptor *a)
{
    int error = 0;

    if (!a->polled)
        error = uv_poll_init(loop_uv(a->loop), &a->poll, listener_fd(a->listener));
    if (error != 0) {
        acceptor_starve(a, -error);
        return false;
    }
    a->polled = true;
    uv_poll_start(&a->poll, UV_READABLE, acceptor_on_poll);
    return true;
}

struct acceptor *acceptor_new(struct loop *loop, struct listener *listener, bool may_use_last,
                              acceptor_accepted *accepted, void *arg)
{
    struct acceptor *a = mem_zalloc(sizeof *a);

    a->loop = loop;
    a->listener = listener_ref(listener);
    a->accepted = accepted;
    a->arg = arg;
    a->bound = descriptor_bound(may_use_last ? DESCRIPTOR_GATEWAY : DESCRIPTOR_CLIENT);
    acceptor_begin(a);
    return a;
}

static void acceptor_poll_closed(uv_handle_t *poll)
{
    free(container_of(poll, struct acceptor, poll));
}

void acceptor_free(struct acceptor *a)
{
    if (a == NULL)
        return;
    a->freed = true;
    deadline_cancel(&a->starving);
    if (a->polled)
        uv_close((uv_handle_t *)&a->poll, acceptor_poll_closed);
    listener_unref(a->listener); /* (libuv has let go of the descriptor) */
    if (!a->polled)
        free(a);
}

/* A connected stream socket as an endpoint, over uv_poll.
 *
 * What is polled for follows from what is wanted, lazily: starting a poll costs two system calls,
 * so an event that is not wanted any more is only taken out when it fires. A socket that wants
 * nothing is polled for UV_PRIORITIZED, which no ordinary stream raises: so a reset is noticed
 * while the owner has no room and after the end of data too, without spinning on a half-closed
 * socket as UV_DISCONNECT would.
 *
 * The memory is freed by the close callback of libuv, hence never inside an event: whoever raised
 * an event looks at `state` before he goes on. */
#include "io/socket.h"

#include "base/mem.h"
#include "io/loop_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often one socket receives in one turn of the loop. */
#define RECEIVE_BURST 2

enum socket_state {
    SOCKET_OPEN,
    SOCKET_LINGERING, /* closed by its owner, on the loop's list, reads until the peer's end of data
                       */
    SOCKET_CLOSED,    /* waits for libuv to let go of it */
};

struct socket {
    struct endpoint endpoint;
    struct loop *loop;
    uv_poll_t poll;
    int fd;
    int polled; /* what libuv watches for */
    int error;  /* errno that ended it; 0: none */
    enum socket_state state;
    bool reading;     /* the owner wants data */
    bool blocked;     /* the owner is owed `writable` */
    bool eof;         /* the peer's end of data was seen */
    bool eof_written; /* ours was sent */
    bool unwatchable; /* UV_PRIORITIZED fired without a reason and would go on */
    struct later failing;
    struct deadline linger;
    LIST_ENTRY(socket) next;
};

static struct socket *socket_of(const struct endpoint *endpoint)
{
    return container_of(endpoint, struct socket, endpoint);
}

static void polled(uv_poll_t *poll, int status, int events);

static int wanted(const struct socket *s)
{
    int events = (s->reading ? UV_READABLE : 0) | (s->blocked ? UV_WRITABLE : 0);

    if (s->error != 0 || s->state == SOCKET_CLOSED)
        return 0;
    return events == 0 && !s->unwatchable ? UV_PRIORITIZED : events;
}

static void poll_for(struct socket *s, int events)
{
    int error;

    if (s->polled == events)
        return;
    s->polled = events;
    error = uv_poll_start(&s->poll, events, polled);
    assert(error == 0);
    (void)error;
}

/* Polls for what is wanted, unless more than that is polled for already. */
static void poll_more(struct socket *s)
{
    if ((wanted(s) & ~s->polled) != 0)
        poll_for(s, wanted(s));
}

static int pending_error(const struct socket *s)
{
    int error = 0;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) != 0)
        error = errno;
    return error;
}

static void freed(uv_handle_t *poll)
{
    free(container_of(poll, struct socket, poll));
}

/* Ends the endpoint but not the descriptor. */
static void detach(struct socket *s)
{
    later_cancel(s->loop, &s->failing);
    deadline_cancel(&s->linger);
    if (s->state == SOCKET_LINGERING)
        LIST_REMOVE(s, next);
    s->state = SOCKET_CLOSED;
    uv_close((uv_handle_t *)&s->poll, freed);
}

static void destroy(struct socket *s, bool abort)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0}; /* close sends RST: socket(7), SO_LINGER */

    detach(s);
    if (abort)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(s->fd);
}

/* From here on the socket only waits for its owner to hear of it and to close it. */
static void set_error(struct socket *s, int error)
{
    s->error = error;
    s->reading = s->blocked = false;
    poll_for(s, 0);
}

/* Outside of any operation: the socket's last event. The kernel tells an error once only, so
 * somebody may have been told before: 0 is taken for the common one. */
static void fail(struct socket *s, int error)
{
    set_error(s, error != 0 ? error : ECONNRESET);
    s->endpoint.events->failed(s->endpoint.owner, strerror(s->error));
}

static void fail_now(struct later *failing)
{
    struct socket *s = container_of(failing, struct socket, failing);

    s->endpoint.events->failed(s->endpoint.owner, strerror(s->error));
}

/* Inside an operation, where no event may be raised. */
static void fail_later(struct socket *s, int error)
{
    set_error(s, error);
    later_post(s->loop, &s->failing, fail_now);
}

/* recv(2) into the scratch buffer: how many bytes, 0 at the end of data, or -errno. */
static ssize_t receive(struct socket *s, size_t room)
{
    size_t size = room < LOOP_SCRATCH_SIZE ? room : LOOP_SCRATCH_SIZE;
    ssize_t n;

    do
        n = recv(s->fd, loop_scratch(s->loop), size, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static bool would_block(ssize_t result)
{
    return result == -EAGAIN || result == -EWOULDBLOCK;
}

/* Passes on what has come. `broken`: the kernel says that the socket is in error, so that there are
 * bytes, the end, or the error to be had, and waiting for more is in vain. */
static void read_to_owner(struct socket *s, bool broken)
{
    const struct endpoint_events *events = s->endpoint.events;
    void *owner = s->endpoint.owner;

    for (int i = 0; i < RECEIVE_BURST && s->state == SOCKET_OPEN && s->reading; i++) {
        size_t room = events->room(owner);
        ssize_t n;

        if (room == 0) {
            /* Behind bytes just delivered the lack may be short: the next turn asks again. */
            s->reading = i > 0;
            return;
        }
        n = receive(s, room);
        if (n > 0) {
            bool taken = events->data(owner, loop_scratch(s->loop), (size_t)n);
            assert(taken);
            (void)taken;
            if (!broken && (size_t)n < room && n < LOOP_SCRATCH_SIZE)
                return;
        } else if (n == 0) {
            s->eof = true;
            s->reading = false;
            events->eof(owner);
        } else if (broken || !would_block(n)) {
            fail(s, would_block(n) ? 0 : (int)-n);
        } else {
            return;
        }
    }
}

static void read_to_nowhere(struct socket *s)
{
    for (int i = 0; i < RECEIVE_BURST; i++) {
        ssize_t n = receive(s, LOOP_SCRATCH_SIZE);

        if (would_block(n))
            return;
        if (n <= 0) {
            destroy(s, false);
            return;
        }
    }
}

/* The socket is in error, or something that is not watched for has happened to it. */
static void exceptional(struct socket *s)
{
    int error = pending_error(s);

    if (error == 0)
        s->unwatchable = true;
    else
        fail(s, error);
}

static void polled(uv_poll_t *poll, int status, int events)
{
    struct socket *s = container_of(poll, struct socket, poll);

    if (s->state == SOCKET_LINGERING) {
        read_to_nowhere(s);
        return;
    }
    if (status < 0) {
        s->polled = 0; /* libuv stops a poll that is in error */
        if (s->reading)
            read_to_owner(s, true);
        else
            fail(s, pending_error(s));
    }
    if (s->state == SOCKET_OPEN && (events & UV_WRITABLE) != 0 && s->blocked) {
        s->blocked = false;
        s->endpoint.events->writable(s->endpoint.owner);
    }
    if (s->state == SOCKET_OPEN && (events & UV_READABLE) != 0)
        read_to_owner(s, false);
    if (s->state == SOCKET_OPEN && (events & UV_PRIORITIZED) != 0)
        exceptional(s);
    if (s->state == SOCKET_OPEN && (status < 0 || (events & ~wanted(s)) != 0))
        poll_for(s, wanted(s));
}

static size_t socket_room(struct endpoint *endpoint)
{
    const struct socket *s = socket_of(endpoint);

    /* The kernel does not say how much it would take; a turn's worth is worth trying. */
    return s->blocked || s->error != 0 ? 0 : LOOP_SCRATCH_SIZE;
}

static size_t socket_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct socket *s = socket_of(endpoint);
    ssize_t n;

    assert(!s->eof_written);
    if (s->blocked || s->error != 0 || length == 0)
        return 0;
    do
        n = send(s->fd, bytes, length, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && !would_block(-errno)) {
        fail_later(s, errno);
        return 0;
    }
    if (n < 0)
        n = 0;
    if ((size_t)n < length) {
        s->blocked = true;
        poll_more(s);
    }
    return (size_t)n;
}

static void socket_write_eof(struct endpoint *endpoint)
{
    struct socket *s = socket_of(endpoint);

    if (s->error != 0 || s->eof_written)
        return;
    s->eof_written = true;
    if (shutdown(s->fd, SHUT_WR) != 0)
        fail_later(s, pending_error(s));
}

static void socket_resume(struct endpoint *endpoint)
{
    struct socket *s = socket_of(endpoint);

    if (s->error != 0 || s->eof)
        return;
    s->reading = true;
    poll_more(s);
}

static void linger_expired(struct deadline *linger)
{
    destroy(container_of(linger, struct socket, linger), false);
}

static void socket_close(struct endpoint *endpoint, bool abort)
{
    struct socket *s = socket_of(endpoint);

    assert(s->state == SOCKET_OPEN);
    if (!abort)
        socket_write_eof(endpoint);
    if (abort || s->eof || s->error != 0) {
        destroy(s, abort);
        return;
    }
    s->state = SOCKET_LINGERING;
    LIST_INSERT_HEAD(loop_lingering(s->loop), s, next);
    deadline_arm(s->loop, &s->linger, SOCKET_LINGER_MS, linger_expired);
    poll_for(s, UV_READABLE);
}

static const struct endpoint_operations socket_operations = {
    .room = socket_room,
    .write = socket_write,
    .write_eof = socket_write_eof,
    .resume = socket_resume,
    .close = socket_close,
};

struct endpoint *socket_endpoint_new(struct loop *loop, int fd)
{
    struct socket *s = mem_zalloc(sizeof *s);
    int error = uv_poll_init(loop_uv(loop), &s->poll, fd); /* makes it non-blocking, too */

    if (error != 0) {
        free(s);
        errno = -error;
        return NULL;
    }
    s->endpoint.operations = &socket_operations;
    s->loop = loop;
    s->fd = fd;
    return &s->endpoint;
}

int socket_endpoint_release(struct endpoint *endpoint)
{
    struct socket *s = socket_of(endpoint);

    assert(s->state == SOCKET_OPEN);
    detach(s);
    return s->fd;
}

void socket_prepare(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
}

void socket_linger_abort(struct loop *loop)
{
    struct socket *s;

    while ((s = LIST_FIRST(loop_lingering(loop))) != NULL)
        destroy(s, true);
}

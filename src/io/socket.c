/* A connected stream socket as an endpoint, over a watch.
 *
 * A watch tells of a change once. So `readable` keeps in mind that the kernel may have more than
 * was read, be it bytes, the end or an error, and `more` goes on with it in the next turn, when
 * this turn's share was read or the owner wants data again. A reset is told at once, also while the
 * owner has no room and after the end of data.
 *
 * The memory is freed when the watch is let go, hence never inside an event: whoever raised an
 * event looks at `state` before he goes on. */
#include "io/socket.h"

#include "base/mem.h"
#include "io/loop_internal.h"
#include "io/watch.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often one socket receives before others have their turn. It can come to twice as much in a
 * turn of the loop: when there is news, and when what this left is gone on with. */
#define RECEIVE_BURST 2

enum socket_state {
    SOCKET_OPEN,
    SOCKET_LINGERING, /* closed by its owner, on the loop's list, reads until the peer's end of data
                       */
    SOCKET_CLOSED,    /* waits for the loop to let go of it */
};

struct socket {
    struct endpoint endpoint;
    struct loop *loop;
    struct watch watch;
    int fd;
    int error; /* errno that ended it; 0: none */
    enum socket_state state;
    bool reading;        /* the owner wants data */
    bool readable;       /* there may be something to be read */
    bool read_on;        /* there is an end, an error or a mark, where a read stops short */
    bool broken;         /* it is an error */
    bool blocked;        /* the owner is owed `writable` */
    bool output_watched; /* it was blocked before */
    bool eof;            /* the peer's end of data was seen */
    bool eof_written;    /* ours was sent */
    struct later more;
    struct later failing;
    struct deadline linger;
    LIST_ENTRY(socket) next;
};

static struct socket *socket_of(const struct endpoint *endpoint)
{
    return container_of(endpoint, struct socket, endpoint);
}

static int pending_error(const struct socket *s)
{
    int error = 0;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) != 0)
        error = errno;
    return error;
}

static void freed(struct watch *watch)
{
    free(container_of(watch, struct socket, watch));
}

/* Ends the endpoint but not the descriptor. */
static void detach(struct socket *s)
{
    later_cancel(s->loop, &s->more);
    later_cancel(s->loop, &s->failing);
    deadline_cancel(&s->linger);
    if (s->state == SOCKET_LINGERING)
        LIST_REMOVE(s, next);
    s->state = SOCKET_CLOSED;
    watch_end(s->loop, &s->watch, freed);
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
        n = recv(s->fd, loop_scratch(s->loop), size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static bool would_block(ssize_t result)
{
    return result == -EAGAIN || result == -EWOULDBLOCK;
}

static void read_more(struct later *more);

/* One read and its event. */
static void read_once(struct socket *s, size_t room)
{
    const struct endpoint_events *events = s->endpoint.events;
    ssize_t n = receive(s, room);

    if (n > 0) {
        bool taken;

        /* (Less than there was room for: it was all there is, but before what read_on is for.) */
        s->readable = s->read_on || (size_t)n == room || n == LOOP_SCRATCH_SIZE;
        taken = events->data(s->endpoint.owner, loop_scratch(s->loop), (size_t)n);
        assert(taken);
        (void)taken;
    } else if (n == 0 && !s->broken) {
        s->eof = true;
        s->reading = s->readable = false;
        events->eof(s->endpoint.owner);
    } else if (s->broken || !would_block(n)) {
        fail(s, n < 0 && !would_block(n) ? (int)-n : pending_error(s));
    } else {
        s->readable = false;
    }
}

/* Passes on what has come. */
static void read_to_owner(struct socket *s)
{
    for (int i = 0; s->state == SOCKET_OPEN && s->reading && s->readable; i++) {
        size_t room = i < RECEIVE_BURST ? s->endpoint.events->room(s->endpoint.owner) : 0;

        if (room > 0) {
            read_once(s, room);
        } else if (i > 0) {
            /* (Behind bytes just delivered the lack of room may be short.) */
            later_post(s->loop, &s->more, read_more);
            return;
        } else if (s->broken) {
            fail(s, pending_error(s));
        } else {
            s->reading = false;
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
    later_post(s->loop, &s->more, read_more);
}

static void read_more(struct later *more)
{
    struct socket *s = container_of(more, struct socket, more);

    if (s->state == SOCKET_LINGERING)
        read_to_nowhere(s);
    else
        read_to_owner(s);
}

static void ready(struct watch *watch, uint32_t events)
{
    struct socket *s = container_of(watch, struct socket, watch);

    s->readable = s->readable || (events & ~(uint32_t)EPOLLOUT) != 0;
    s->read_on = s->read_on || (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    s->broken = s->broken || (events & EPOLLERR) != 0;
    if (s->state == SOCKET_LINGERING) {
        read_to_nowhere(s);
    } else if (s->error != 0) {
        return; /* the owner is about to hear of it */
    } else if (s->broken && !s->reading) {
        fail(s, pending_error(s));
    } else {
        if (!s->broken && (events & EPOLLOUT) != 0 && s->blocked) {
            s->blocked = false;
            s->endpoint.events->writable(s->endpoint.owner);
        }
        if (s->state == SOCKET_OPEN && !s->more.queued)
            read_to_owner(s);
    }
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
        n = send(s->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && !would_block(-errno)) {
        fail_later(s, errno);
        return 0;
    }
    if (n < 0)
        n = 0;
    if ((size_t)n < length) {
        s->blocked = true;
        if (!s->output_watched)
            watch_output(s->loop, &s->watch);
        s->output_watched = true;
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
    if (s->readable)
        later_post(s->loop, &s->more, read_more);
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
    later_post(s->loop, &s->more, read_more);
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
    int error = watch_start(loop, &s->watch, fd, ready);

    if (error != 0) {
        free(s);
        errno = error;
        return NULL;
    }
    s->endpoint.operations = &socket_operations;
    s->endpoint.gathers = true;
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

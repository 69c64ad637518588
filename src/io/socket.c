/* A connected stream socket as an endpoint, over a watch.
 *
 * A watch reports each change once. So `readable` remembers that the kernel may have more than was
 * read: bytes, the end of data or an error. `more` continues in the next turn, when this turn's
 * share was read or when the owner wants data again. A reset is reported at once, also while the
 * socket is paused and after the end of data.
 *
 * An SSH channel brings its bytes in packets of at most 32 KiB. Each send is a system call and may
 * wake the reader. So the packets of one turn are gathered and sent by one call, since a copy costs
 * less than a call. The loop has one buffer for this, which serves one socket at a time, and only a
 * socket that the last packet was written to as well. (With several streams sshd sends a packet of
 * each in turn.) What the kernel does not take of gathered bytes is kept in `unsent`.
 *
 * The memory is freed when the watch is let go, hence never inside an event: code that has raised
 * an event looks at `state` before it continues. */
#include "io/socket.h"

#include "base/mem.h"
#include "io/loop_internal.h"
#include "io/socket_calls.h"
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

/* Shorter writes are sent at once, unless gathered bytes are ahead of them; longer ones than
 * GATHER_MAX are worth a call of their own. */
#define GATHER_MIN 16384
#define GATHER_MAX 65536

static_assert(sizeof((struct gathered *)0)->bytes <= ENDPOINT_TAKEN_MAX,
              "gathered bytes that the kernel does not take are kept");

enum socket_state {
    SOCKET_OPEN,
    SOCKET_LINGERING, /* closed by its owner; on the loop's list; reads until the peer's end of data
                       */
    SOCKET_CLOSED,    /* until the loop lets go of the watch */
};

struct socket {
    struct endpoint endpoint;
    struct loop *loop;
    struct watch watch;
    int fd;
    int error; /* the errno that ended it; 0: none */
    enum socket_state state;
    bool readable; /* there may be something to be read */
    bool read_on;  /* there is an end, an error or an urgent mark, before which a read stops */
    bool broken;   /* there is an error */
    bool blocked;  /* the kernel had no room; `writable` follows */
    bool output_watched; /* it was blocked before */
    bool eof;            /* the peer's end of data was seen */
    bool shut_down;      /* our end of data was sent */
    struct later more;
    struct later failing;
    struct deadline linger;
    uint64_t linger_end;
    LIST_ENTRY(socket) next;
};

static struct socket *socket_of(const struct endpoint *endpoint)
{
    return container_of(endpoint, struct socket, endpoint);
}

static int socket_pending_error(const struct socket *s)
{
    int error = 0;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error}) != 0)
        error = errno;
    return error;
}

static void socket_freed(struct watch *watch)
{
    free(container_of(watch, struct socket, watch));
}

static void gathered_forget(struct loop *loop)
{
    struct gathered *g = loop_gathered(loop);

    later_cancel(loop, &g->spilling);
    g->socket = NULL;
    g->length = 0;
}

/* Ends the endpoint but not the descriptor. */
static void socket_detach(struct socket *s)
{
    struct gathered *g = loop_gathered(s->loop);

    if (g->socket == s)
        gathered_forget(s->loop);
    if (g->last == s)
        g->last = NULL;
    buffer_clear(&s->endpoint.unsent);
    later_cancel(s->loop, &s->more);
    later_cancel(s->loop, &s->failing);
    deadline_cancel(&s->linger);
    if (s->state == SOCKET_LINGERING)
        LIST_REMOVE(s, next);
    s->state = SOCKET_CLOSED;
    watch_end(s->loop, &s->watch, socket_freed);
}

static void socket_destroy(struct socket *s, bool abort)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0}; /* close sends RST: socket(7), SO_LINGER */

    socket_detach(s);
    if (abort)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(s->fd);
}

/* From here on the socket only waits for its owner to be told and to close it. */
static void socket_set_error(struct socket *s, int error)
{
    s->error = error;
    s->blocked = false;
    if (loop_gathered(s->loop)->socket == s)
        gathered_forget(s->loop);
}

/* Outside of any operation: the socket's last event. The kernel reports an error once only, so that
 * it may have been reported to other code before: 0 is taken for the common error. */
static void socket_fail(struct socket *s, int error)
{
    socket_set_error(s, error != 0 ? error : ECONNRESET);
    endpoint_report_failed(&s->endpoint, strerror(s->error));
}

static void socket_fail_now(struct later *failing)
{
    struct socket *s = container_of(failing, struct socket, failing);

    endpoint_report_failed(&s->endpoint, strerror(s->error));
}

/* Inside an operation, where no event may be raised. */
static void socket_fail_later(struct socket *s, int error)
{
    socket_set_error(s, error);
    later_post(s->loop, &s->failing, socket_fail_now);
}

/* recv(2) into the scratch buffer: how many bytes, 0 at the end of data, or -errno. */
static ssize_t socket_receive(struct socket *s, size_t room)
{
    size_t size = room < LOOP_SCRATCH_SIZE ? room : LOOP_SCRATCH_SIZE;
    ssize_t n;

    do
        n = recv(s->fd, loop_scratch(s->loop), size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static bool is_would_block(ssize_t result)
{
    return result == -EAGAIN || result == -EWOULDBLOCK;
}

static void socket_read_more(struct later *more);

/* One read and its event. */
static void socket_read_once(struct socket *s, size_t room)
{
    ssize_t n = socket_receive(s, room);

    if (n > 0) {
        bool taken;

        /* (Less than there was room for: it was all there is, but before what read_on is for.) */
        s->readable = s->read_on || (size_t)n == room || n == LOOP_SCRATCH_SIZE;
        taken = s->endpoint.events->data(s->endpoint.owner, loop_scratch(s->loop), (size_t)n);
        assert(taken && "an owner takes what it said that it has room for");
        (void)taken;
    } else if (n == 0 && !s->broken) {
        s->eof = true;
        s->readable = false;
        endpoint_report_eof(&s->endpoint);
    } else if (s->broken || !is_would_block(n)) {
        socket_fail(s, n < 0 && !is_would_block(n) ? (int)-n : socket_pending_error(s));
    } else {
        s->readable = false;
    }
}

/* There may be something that the owner wants. (The owner may have closed the socket in an event.)
 */
static bool socket_may_read(const struct socket *s)
{
    return s->state == SOCKET_OPEN && s->error == 0 && s->endpoint.resumed && s->readable &&
           !s->eof;
}

/* Passes on what has come. */
static void socket_read_to_owner(struct socket *s)
{
    const struct endpoint *e = &s->endpoint;

    for (int i = 0; socket_may_read(s); i++) {
        size_t room = i < RECEIVE_BURST ? e->events->room(e->owner) : 0;

        if (room > 0) {
            socket_read_once(s, room);
        } else if (i > 0) {
            /* (Behind bytes just delivered the lack of room may be short.) */
            later_post(s->loop, &s->more, socket_read_more);
            return;
        } else if (s->broken) {
            socket_fail(s, socket_pending_error(s));
        } else {
            s->endpoint.resumed = false;
        }
    }
}

static void socket_linger_expired(struct deadline *linger)
{
    socket_destroy(container_of(linger, struct socket, linger), false);
}

/* Waits for the peer's next bytes, or its end of data. */
static void socket_linger_on(struct socket *s)
{
    uint64_t now = loop_now(s->loop);
    uint64_t left = now < s->linger_end ? s->linger_end - now : 0;

    deadline_cancel(&s->linger);
    deadline_arm(s->loop, &s->linger, left < SOCKET_LINGER_MS ? left : SOCKET_LINGER_MS,
                 socket_linger_expired);
}

static void socket_read_to_nowhere(struct socket *s)
{
    for (int i = 0; i < RECEIVE_BURST; i++) {
        ssize_t n = socket_receive(s, LOOP_SCRATCH_SIZE);

        if (is_would_block(n)) {
            if (i > 0)
                socket_linger_on(s);
            return;
        }
        if (n <= 0) {
            socket_destroy(s, false);
            return;
        }
    }
    socket_linger_on(s);
    later_post(s->loop, &s->more, socket_read_more);
}

static void socket_read_more(struct later *more)
{
    struct socket *s = container_of(more, struct socket, more);

    if (s->state == SOCKET_LINGERING)
        socket_read_to_nowhere(s);
    else if (s->error == 0 && s->eof && endpoint_owes_eof(&s->endpoint))
        endpoint_report_eof(&s->endpoint);
    else
        socket_read_to_owner(s);
}

static void socket_ready(struct watch *watch, uint32_t events)
{
    struct socket *s = container_of(watch, struct socket, watch);

    s->readable = s->readable || (events & ~(uint32_t)EPOLLOUT) != 0;
    s->read_on = s->read_on || (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    s->broken = s->broken || (events & EPOLLERR) != 0;
    if (s->state == SOCKET_LINGERING) {
        socket_read_to_nowhere(s);
    } else if (s->error != 0) {
        return; /* `failed` follows, or was reported */
    } else if (s->broken && (s->eof || !s->endpoint.resumed)) {
        socket_fail(s, socket_pending_error(s));
    } else {
        if (!s->broken && (events & EPOLLOUT) != 0 && s->blocked) {
            s->blocked = false;
            endpoint_report_writable(&s->endpoint);
        }
        if (s->state == SOCKET_OPEN && !s->more.queued)
            socket_read_to_owner(s);
    }
}

static size_t socket_room(struct endpoint *endpoint)
{
    const struct socket *s = socket_of(endpoint);

    /* The kernel does not say how much it would take; a turn's worth is worth trying. */
    return s->blocked || s->error != 0 ? 0 : LOOP_SCRATCH_SIZE;
}

/* How many of these bytes the kernel takes now. */
static size_t socket_send(struct socket *s, const uint8_t *bytes, size_t length)
{
    ssize_t n;

    do
        n = send(s->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && !is_would_block(-errno)) {
        socket_fail_later(s, errno);
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

/* Sends what is gathered, for whichever socket. The rest is kept, also of a socket that failed: so
 * it is draining until its owner is told. */
static void gathered_send(struct loop *loop)
{
    struct gathered *g = loop_gathered(loop);
    struct socket *s = g->socket;
    size_t length = g->length;
    size_t sent;

    gathered_forget(loop);
    if (s == NULL)
        return;
    sent = socket_send(s, g->bytes, length);
    buffer_append(&s->endpoint.unsent, g->bytes + sent, length - sent);
}

static void gathered_send_now(struct later *spilling)
{
    struct gathered *g = container_of(spilling, struct gathered, spilling);

    gathered_send(g->socket->loop);
}

static bool is_gathering(const struct socket *s)
{
    return loop_gathered(s->loop)->socket == s;
}

/* As socket_write, behind what is gathered already. */
static size_t socket_gather(struct socket *s, const uint8_t *bytes, size_t length)
{
    struct gathered *g = loop_gathered(s->loop);

    if (g->socket != s || length > GATHER_MAX || length > sizeof g->bytes - g->length)
        gathered_send(s->loop);
    if (s->blocked || s->error != 0)
        return 0;
    if (length > GATHER_MAX)
        return socket_send(s, bytes, length);
    memcpy(g->bytes + g->length, bytes, length);
    g->socket = s;
    g->length += length;
    later_post(s->loop, &g->spilling, gathered_send_now);
    return length;
}

static size_t socket_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct socket *s = socket_of(endpoint);
    struct gathered *g = loop_gathered(s->loop);
    bool is_kept = buffer_length(&endpoint->unsent) > 0; /* these bytes were taken already */
    bool is_packet = length >= GATHER_MIN;
    bool gathers = is_gathering(s) || (is_packet && g->last == s && !is_kept);

    assert(s->state == SOCKET_OPEN && "a socket that was closed is not written to");
    if (s->blocked || s->error != 0 || length == 0)
        return 0;
    if (is_packet)
        g->last = s;
    return gathers ? socket_gather(s, bytes, length) : socket_send(s, bytes, length);
}

static void socket_write_eof(struct endpoint *endpoint)
{
    struct socket *s = socket_of(endpoint);

    if (is_gathering(s))
        gathered_send(s->loop);
    if (s->error != 0 || s->shut_down || buffer_length(&endpoint->unsent) > 0)
        return;
    s->shut_down = true;
    if (shutdown(s->fd, SHUT_WR) != 0)
        socket_fail_later(s, socket_pending_error(s));
}

static void socket_resume(struct endpoint *endpoint)
{
    struct socket *s = socket_of(endpoint);

    if (s->error == 0 && (s->eof ? endpoint_owes_eof(endpoint) : s->readable))
        later_post(s->loop, &s->more, socket_read_more);
}

static void socket_close(struct endpoint *endpoint, bool abort)
{
    struct socket *s = socket_of(endpoint);

    assert(s->state == SOCKET_OPEN && "a socket is closed once");
    if (is_gathering(s))
        gathered_send(s->loop);
    abort = abort || buffer_length(&endpoint->unsent) > 0;
    if (!abort)
        socket_write_eof(endpoint);
    if (abort || s->eof || s->error != 0 || endpoint->unanswered ||
        !socket_sent_lately(s->fd, SOCKET_ANSWERED_MS)) {
        socket_destroy(s, abort);
        return;
    }
    s->state = SOCKET_LINGERING;
    LIST_INSERT_HEAD(loop_lingering(s->loop), s, next);
    s->linger_end = loop_now(s->loop) + SOCKET_LINGER_MOST_MS;
    socket_linger_on(s);
    later_post(s->loop, &s->more, socket_read_more);
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
    int error = watch_start(loop, &s->watch, fd, socket_ready);

    if (error != 0) {
        free(s);
        errno = error;
        return NULL;
    }
    s->endpoint.operations = &socket_operations;
    s->loop = loop;
    s->fd = fd;
    return &s->endpoint;
}

int socket_endpoint_release(struct endpoint *endpoint, struct buffer *unsent)
{
    struct socket *s = socket_of(endpoint);

    assert(s->state == SOCKET_OPEN && "a socket is released before it is closed");
    if (is_gathering(s))
        gathered_send(s->loop);
    buffer_append(unsent, buffer_data(&endpoint->unsent), buffer_length(&endpoint->unsent));
    socket_detach(s);
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
        socket_destroy(s, true);
}

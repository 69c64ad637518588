/* A session's turn: input goes to the channels, then everything that must not be done inside
 * libssh's callbacks is done, until nothing moves any more; at last output is sent. */
#include "session_libssh/channel.h"

#include "io/socket_calls.h"
#include "session_libssh/breach.h"
#include "session_libssh/transport.h"

#include <string.h>

/* How often the buffer is filled for one session before other sessions have their turn. */
#define READS_A_TURN 2

/* The same where libssh reads by itself, 4 KiB at a time. */
#define PLAIN_READS_A_TURN 64

static void on_session_poll(uv_poll_t *poll, int status, int events);
static void on_process_events(struct later *later);

bool session_is_connected(const struct libssh_session *s)
{
    return ssh_is_connected(s->handle) &&
           (ssh_get_status(s->handle) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

bool session_is_alive(const struct libssh_session *s)
{
    return s->end.why == NULL && session_is_connected(s);
}

/* The error that libssh has set last, maybe long ago. */
static void check_error(struct libssh_session *s)
{
    const char *breach = NULL;

    if (ssh_get_error_code(s->handle) == SSH_FATAL && !s->end.breached)
        breach = breach_of_error(ssh_get_error(s->handle));
    if (breach != NULL)
        session_breach(s, breach);
}

/* Hands libssh what the buffer has. It can say OK about a dead session, so what counts is asked
 * afterwards. */
void session_poll(struct libssh_session *s)
{
    if (ssh_event_dopoll(s->event, 0) == SSH_ERROR && s->end.why == NULL && session_is_alive(s))
        s->end.why = "poll failed";
    check_error(s);
    global_requests_collect(s);
}

static void receive_plainly(struct libssh_session *s)
{
    uint64_t before;
    unsigned reads = 0;

    do {
        before = s->bytes.in_bytes;
        session_poll(s);
        reads++;
    } while (reads < PLAIN_READS_A_TURN && session_is_alive(s) && s->bytes.in_bytes != before);
}

static void receive_buffered(struct libssh_session *s)
{
    for (unsigned reads = 0; reads < READS_A_TURN && transport_fill(s->socket.watch_fd); reads++) {
        do
            session_poll(s);
        while (session_is_alive(s) && transport_pending());
        if (!session_is_alive(s) || !transport_filled())
            return;
    }
}

static void session_receive(struct libssh_session *s)
{
    if (s->socket.buffered)
        receive_buffered(s);
    else
        receive_plainly(s);
}

/* The log tells of a writer that waits for the server's window for longer than this. */
#define STALL_LOG_MS 250

void session_log_stalls(struct libssh_session *s)
{
    uint64_t now = loop_now(s->loop);
    struct channel *ch;

    if (!log_wants(ADIT_LOG_DEBUG))
        return;
    TAILQ_FOREACH (ch, &s->queues.writers, queues.writer_link) {
        if (chan_window(ch) > 0)
            continue;
        if (ch->queues.stalled_at == 0)
            ch->queues.stalled_at = now;
        if (ch->queues.stall_logged || now - ch->queues.stalled_at < STALL_LOG_MS)
            continue;
        ch->queues.stall_logged = true;
        chan_debug(ch, "waits for the server's window");
    }
}

static void end_stall(struct channel *ch)
{
    if (ch->queues.stall_logged)
        chan_debug(ch, "the server's window is %u again, after %llu ms", chan_window(ch),
                   (unsigned long long)(loop_now(ch->session->loop) - ch->queues.stalled_at));
    ch->queues.stall_logged = false;
    ch->queues.stalled_at = 0;
}

/* Tells channels that waited for room to write, first in first out; channels without a window go on
 * waiting. */
static void wake_writers(struct libssh_session *s)
{
    struct channel *last = TAILQ_LAST(&s->queues.writers, channel_list);
    struct channel *ch;
    bool more = last != NULL;

    while (more && !session_congested(s) && (ch = TAILQ_FIRST(&s->queues.writers)) != NULL) {
        more = ch != last;
        TAILQ_REMOVE(&s->queues.writers, ch, queues.writer_link);
        if (chan_window(ch) == 0 && !ch->ending.close_seen) {
            TAILQ_INSERT_TAIL(&s->queues.writers, ch, queues.writer_link);
        } else {
            ch->queues.is_writer = false;
            end_stall(ch);
            if (!ch->ending.close_seen)
                endpoint_report_writable(&ch->endpoint);
        }
    }
}

static void report_dirty(struct libssh_session *s)
{
    struct channel *ch;

    while (!s->end.breached && (ch = TAILQ_FIRST(&s->queues.dirty)) != NULL) {
        TAILQ_REMOVE(&s->queues.dirty, ch, queues.dirty_link);
        ch->queues.is_dirty = false;
        chan_report(ch);
    }
}

void session_postpone(struct libssh_session *s, struct channel *ch)
{
    ch->queues.is_dirty = true;
    ch->queues.is_postponed = true;
    TAILQ_INSERT_TAIL(&s->queues.postponed, ch, queues.dirty_link);
}

void session_mark_dirty(struct libssh_session *s, struct channel *ch)
{
    if (ch->queues.is_dirty)
        return;
    ch->queues.is_dirty = true;
    TAILQ_INSERT_TAIL(&s->queues.dirty, ch, queues.dirty_link);
}

void session_want_room(struct libssh_session *s, struct channel *ch)
{
    if (ch->queues.is_writer)
        return;
    ch->queues.is_writer = true;
    TAILQ_INSERT_TAIL(&s->queues.writers, ch, queues.writer_link);
}

void session_unqueue(struct libssh_session *s, struct channel *ch)
{
    struct channel_queues *q = &ch->queues;

    if (q->is_writer)
        TAILQ_REMOVE(&s->queues.writers, ch, queues.writer_link);
    if (q->is_dirty)
        TAILQ_REMOVE(q->is_postponed ? &s->queues.postponed : &s->queues.dirty, ch,
                     queues.dirty_link);
    q->is_writer = false;
    q->is_dirty = false;
    q->is_postponed = false;
}

/* Postponed channels are reported in the loop's next turn. */
static void take_postponed(struct libssh_session *s)
{
    struct channel *ch;

    if (TAILQ_EMPTY(&s->queues.postponed))
        return;
    TAILQ_FOREACH (ch, &s->queues.postponed, queues.dirty_link)
        ch->queues.is_postponed = false;
    TAILQ_CONCAT(&s->queues.dirty, &s->queues.postponed, queues.dirty_link);
    later_post(s->loop, &s->turn.later, on_process_events);
}

static void rearm(struct libssh_session *s)
{
    int wanted = UV_READABLE | (s->writing.backlog ? UV_WRITABLE : 0);

    if (wanted != s->socket.polled) {
        s->socket.polled = wanted;
        uv_poll_start(&s->socket.poll, wanted, on_session_poll);
    }
}

/* Any libssh call may process input, so this repeats until no packet came in meanwhile. */
static void process_events(struct libssh_session *s)
{
    uint64_t seen;

    do {
        seen = s->packets.in_packets;
        s->turn.again = false;
        session_heard(s);
        opens_report(s);
        shells_turn(s);
        report_dirty(s);
        wake_writers(s);
        if (transport_pending())
            session_poll(s);
    } while (session_is_alive(s) && (s->turn.again || s->packets.in_packets != seen ||
                                     !TAILQ_EMPTY(&s->queues.dirty) || transport_pending()));
    session_liveness_turn(s);
}

/* `again`: writers were held up, or input came while output was sent (which only a session without
 * a buffer reads then). */
static void end_turn(struct libssh_session *s, bool again)
{
    if (s->end.freed) {
        session_destroy(s);
        return;
    }
    if (!session_is_alive(s)) {
        session_die(s);
        return;
    }
    take_postponed(s);
    if (again || forwarded_opens_is_due(s))
        later_post(s->loop, &s->turn.later, on_process_events);
    rearm(s);
}

void session_turn(struct libssh_session *s, bool readable)
{
    struct libssh_session *before;
    uint64_t seen;
    bool held; /* writers were */

    if (s->end.dead)
        return;
    if (!session_is_connected(s) || s->end.breached) {
        /* A write outside of a turn found the connection's end. Its descriptor's number may be a
         * client's by now, whose bytes are not for libssh. */
        session_die(s);
        return;
    }
    s->turn.driving = true;
    before = session_enter(s);
    if (readable)
        session_receive(s);
    forwarded_opens_turn(s);
    process_events(s);
    held = session_is_full(s);
    seen = s->packets.in_packets;
    session_flush(s);
    transport_drop();
    session_leave(before);
    s->turn.driving = false;
    end_turn(s, (held && !s->writing.backlog) || s->packets.in_packets != seen);
}

static void on_session_poll(uv_poll_t *poll, int status, int events)
{
    struct libssh_session *s = container_of(poll, struct libssh_session, socket.poll);

    (void)events;
    if (status < 0) {
        int error = socket_error(s->socket.watch_fd); /* (libuv says only that there is one) */
        s->end.why = error != 0 ? strerrordesc_np(error) : "connection error";
    }
    session_turn(s, true);
}

static void on_process_events(struct later *later)
{
    session_turn(container_of(later, struct libssh_session, turn.later), false);
}

void session_touch(struct libssh_session *s)
{
    if (s->turn.driving)
        s->turn.again = true;
    else if (!s->end.dead)
        later_post(s->loop, &s->turn.later, on_process_events);
}

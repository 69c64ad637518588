/* A session's turn: what came in goes to the channels, what libssh could not tell from inside its
 * callbacks is done afterwards, until nothing moves any more. */
#include "session_libssh/internal.h"

#include "session_libssh/breach.h"
#include "session_libssh/transport.h"

#include <string.h>
#include <sys/socket.h>

/* How often as much as the buffer takes is read for one session before others have their turn. */
#define READS_A_TURN 2

/* What may be queued behind a rekey before its channels are told to wait. */
#define QUEUED_MAX ((uint64_t)256 * 1024)

/* What may be written in a turn: it is sent at its end, in one piece. */
#define FRESH_MAX ((uint64_t)128 * 1024)

/* How many packets with answers a server may leave unread: some 4 MB. */
#define UNREAD_MAX 65536

/* How many packets may come in while none goes out before it is asked whether any can. In a rekey
 * libssh keeps its answers, at 150 bytes each: these are some 40 MB. */
#define UNANSWERED_MAX 262144

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_process_events(struct later *later);

void session_wrote(struct libssh_session *s, uint32_t length)
{
    s->fresh += length;
    s->carried += length;
}

/* More would have to wait for the kernel, or for this turn's end. */
static bool is_full(const struct libssh_session *s)
{
    return s->backlog || s->fresh >= FRESH_MAX;
}

bool session_congested(const struct libssh_session *s)
{
    bool rekeying =
        s->blocked || (s->queued >= QUEUED_MAX && s->packets.out_packets == s->queued_behind);

    return rekeying || is_full(s) || s->breached;
}

size_t session_room(const struct libssh_session *s)
{
    return session_congested(s) ? 0 : (size_t)(FRESH_MAX - s->fresh);
}

/* As far as libssh knows, which else has closed its descriptor. */
static bool is_connected(const struct libssh_session *s)
{
    return ssh_is_connected(s->handle) &&
           (ssh_get_status(s->handle) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

bool session_is_alive(const struct libssh_session *s)
{
    return s->death == NULL && is_connected(s);
}

/* The error that libssh has set last, maybe long ago. */
static void check_error(struct libssh_session *s)
{
    const char *breach = NULL;

    if (ssh_get_error_code(s->handle) == SSH_FATAL && !s->breached)
        breach = breach_of_error(ssh_get_error(s->handle));
    if (breach != NULL)
        session_breach(s, breach);
}

/* Hands libssh what the buffer has. It can say OK about a dead session, so what counts is asked
 * afterwards. */
static void poll_once(struct libssh_session *s)
{
    if (ssh_event_dopoll(s->event, 0) == SSH_ERROR && s->death == NULL && session_is_alive(s))
        s->death = "poll failed";
    check_error(s);
    global_requests_collect(s);
}

/* While the server does not read, channels write nothing: what is queued then are answers, to
 * requests and opens that it goes on sending. */
static void note_backlog(struct libssh_session *s, bool backlog)
{
    if (!s->backlog)
        s->backlog_from = s->packets.out_packets;
    s->backlog = backlog;
    if (backlog && s->packets.out_packets - s->backlog_from > UNREAD_MAX)
        session_breach(s, "the server asks and does not read the answers");
}

/* Until the server answers our KEXINIT libssh queues what it answers to requests and opens, where
 * neither a limit nor a status knows of it. No server that keeps to the protocol sends so much
 * before it reads the KEXINIT. */
static void check_rekey(struct libssh_session *s)
{
    if (s->packets.out_packets == s->silent_at) {
        if (s->packets.in_packets - s->silent_from <= UNANSWERED_MAX)
            return;
        ssh_send_ignore(s->handle, "");
        if (s->packets.out_packets == s->silent_at)
            session_breach(s, "the server asks on and does not answer the key exchange");
    }
    s->silent_at = s->packets.out_packets;
    s->silent_from = s->packets.in_packets;
}

/* Sends what libssh has queued since the last time. */
static void flush(struct libssh_session *s)
{
    if ((ssh_get_status(s->handle) & SSH_WRITE_PENDING) != 0) {
        transport_let_out(true);
        poll_once(s);
        transport_let_out(false);
    }
    s->fresh = 0;
    note_backlog(s, (ssh_get_status(s->handle) & SSH_WRITE_PENDING) != 0);
}

void session_farewell(struct libssh_session *s)
{
    transport_let_out(true);
    poll_once(s);
    poll_once(s);
    transport_let_out(false);
}

static void receive(struct libssh_session *s)
{
    for (unsigned reads = 0; reads < READS_A_TURN && transport_fill(s->watch_fd); reads++) {
        do
            poll_once(s);
        while (session_is_alive(s) && transport_pending());
        if (!session_is_alive(s) || !transport_filled())
            return;
    }
}

/* Opens that were answered. The callee may ask for more opens and cancel others; cancelled ones
 * stay listed. */
static void tell_answers(struct libssh_session *s)
{
    struct channel *ch = TAILQ_FIRST(&s->opening);

    while (ch != NULL && !s->breached) {
        struct channel *next = TAILQ_NEXT(ch, link);
        void (*done)(void *, struct endpoint *, const struct open_failure *) = ch->done;
        if (ch->answer->refused) {
            struct open_failure failure = {.reason = ch->answer->reason, .text = ch->answer->text};
            if (done != NULL)
                done(ch->arg, NULL, &failure);
            chan_free(ch);
        } else if (ch->answer->confirmed || ssh_channel_is_open(ch->handle)) {
            /* (Closed again within the same read it is not open, but it was.) */
            chan_confirmed(ch);
            session_note_round_trip(s, loop_now(s->loop) - ch->asked_at);
            chan_window_begin(ch);
            if (done != NULL)
                done(ch->arg, &ch->endpoint, NULL);
            else
                chan_free(ch);
        }
        ch = next;
    }
}

/* Lets those write that waited for it, first come first served; those without a window go on
 * waiting. */
static void wake_writers(struct libssh_session *s)
{
    struct channel *last = TAILQ_LAST(&s->writers, channel_list);
    struct channel *ch;
    bool more = last != NULL;

    while (more && !session_congested(s) && (ch = TAILQ_FIRST(&s->writers)) != NULL) {
        more = ch != last;
        TAILQ_REMOVE(&s->writers, ch, writer_link);
        if (chan_window(ch) == 0 && !ch->close_seen) {
            TAILQ_INSERT_TAIL(&s->writers, ch, writer_link);
        } else {
            ch->is_writer = false;
            if (!ch->close_seen)
                endpoint_report_writable(&ch->endpoint);
        }
    }
}

static void tell_dirty(struct libssh_session *s)
{
    struct channel *ch;

    while (!s->breached && (ch = TAILQ_FIRST(&s->dirty)) != NULL) {
        TAILQ_REMOVE(&s->dirty, ch, dirty_link);
        ch->is_dirty = false;
        chan_settle(ch);
    }
}

void session_postpone(struct libssh_session *s, struct channel *ch)
{
    ch->is_dirty = true;
    ch->is_postponed = true;
    TAILQ_INSERT_TAIL(&s->postponed, ch, dirty_link);
}

/* What was postponed is the next turn's. */
static void take_postponed(struct libssh_session *s)
{
    struct channel *ch;

    if (TAILQ_EMPTY(&s->postponed))
        return;
    TAILQ_FOREACH (ch, &s->postponed, dirty_link)
        ch->is_postponed = false;
    TAILQ_CONCAT(&s->dirty, &s->postponed, dirty_link);
    later_post(s->loop, &s->process_events, on_process_events);
}

static void rearm(struct libssh_session *s)
{
    int wanted = UV_READABLE | (s->backlog ? UV_WRITABLE : 0);

    if (wanted != s->polled) {
        s->polled = wanted;
        uv_poll_start(&s->poll, wanted, on_poll);
    }
}

/* Any libssh call may process input, so this looks again until no packet came in meanwhile. */
static void process_events(struct libssh_session *s)
{
    uint64_t seen;

    do {
        seen = s->packets.in_packets;
        s->again = false;
        if (seen != s->blocked_at)
            s->blocked = false;
        tell_answers(s);
        tell_dirty(s);
        wake_writers(s);
        if (transport_pending())
            poll_once(s);
    } while (session_is_alive(s) && (s->again || s->packets.in_packets != seen ||
                                     !TAILQ_EMPTY(&s->dirty) || transport_pending()));
    if (s->packets.in_packets != s->heard_packets) {
        s->heard_packets = s->packets.in_packets;
        s->heard_at = loop_now(s->loop);
        s->probed = false;
    }
}

void session_turn(struct libssh_session *s, bool readable)
{
    struct libssh_session *before;
    bool held; /* writers were */

    if (s->dead)
        return;
    if (!is_connected(s) || s->breached) {
        /* A write outside of a turn found its end: the number of its descriptor may be that of a
         * client, whose bytes are not for libssh. */
        session_die(s);
        return;
    }
    s->driving = true;
    before = session_enter(s);
    if (readable)
        receive(s);
    forwarded_opens_turn(s);
    process_events(s);
    held = is_full(s);
    check_rekey(s);
    flush(s);
    transport_drop();
    session_leave(before);
    s->driving = false;
    if (s->freed)
        session_destroy(s);
    else if (!session_is_alive(s))
        session_die(s);
    else {
        take_postponed(s);
        if ((held && !s->backlog) || forwarded_opens_is_due(s))
            later_post(s->loop, &s->process_events, on_process_events);
        rearm(s);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct libssh_session *s = container_of(poll, struct libssh_session, poll);

    (void)events;
    if (status < 0) {
        int error = 0;
        socklen_t size = sizeof(error);
        /* (libuv says only that there is one.) */
        getsockopt(s->watch_fd, SOL_SOCKET, SO_ERROR, &error, &size);
        s->death = error != 0 ? strerrordesc_np(error) : "connection error";
    }
    session_turn(s, true);
}

static void on_process_events(struct later *later)
{
    session_turn(container_of(later, struct libssh_session, process_events), false);
}

void session_touch(struct libssh_session *s)
{
    if (s->driving)
        s->again = true;
    else if (!s->dead)
        later_post(s->loop, &s->process_events, on_process_events);
}

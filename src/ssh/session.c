/* A session's drive: what came in goes to the channels, what libssh could not tell from inside its
 * callbacks is done afterwards, until nothing moves any more. */
#include "ssh/internal.h"

#include "base/mem.h"
#include "ssh/breach.h"
#include "ssh/dialled.h"
#include "ssh/transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often as much as the buffer takes is read for one session before others have their turn. */
#define READS_A_TURN 2

/* What may be queued behind a rekey before its channels are told to wait. */
#define QUEUED_MAX ((uint64_t)256 * 1024)

/* What may be written in a turn: it is sent at its end, in one piece. */
#define FRESH_MAX ((uint64_t)128 * 1024)

/* How many packets with answers a server may leave unread: some 4 MB. */
#define UNREAD_MAX 65536

/* An open without an answer for so long, and nothing else heard: ask whether the server is busy
 * resolving. */
#define PROBE_MS 250

/* After a sleep of the machine: how long a peer has to show that it is still there. */
#define PROBE_ANSWER_MS 5000

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_settle(struct later *later);

static void read_log(int priority, const char *function, const char *text, void *userdata)
{
    struct session *s = userdata;
    const char *breach;

    if (s == NULL)
        return;
    breach = answers_read_log(&s->answers, priority, function, text);
    if (breach == NULL)
        breach = breach_of_log(priority, function, text);
    if (breach != NULL)
        session_breach(s, breach);
    globals_read_log(s, function, text);
    if (priority <= SSH_LOG_WARN)
        log_debug("libssh: %s", text);
}

void session_log(struct session *s)
{
    int requests = globals_log_level(&s->globals);
    int opens = answers_log_level(&s->answers);

    ssh_set_log_callback(read_log);
    ssh_set_log_userdata(s);
    ssh_set_log_level(requests > opens ? requests : opens);
}

/* Whose libssh calls this thread makes. */
static _Thread_local struct session *entered;

static void go_to(struct session *s)
{
    entered = s;
    transport_enter(s != NULL ? s->handle_fd : -1);
    if (s != NULL)
        session_log(s);
    else
        ssh_set_log_userdata(NULL);
}

struct session *session_enter(struct session *s)
{
    struct session *before = entered;

    go_to(s);
    return before;
}

void session_leave(struct session *before)
{
    go_to(before);
}

void session_breach(struct session *s, const char *how)
{
    if (s->death == NULL)
        s->death = how;
    s->breached = true;
    session_touch(s);
}

void session_wrote(struct session *s, uint32_t length)
{
    s->fresh += length;
    s->carried += length;
}

/* More would have to wait for the kernel, or for this turn's end. */
static bool is_full(const struct session *s)
{
    return s->backlog || s->fresh >= FRESH_MAX;
}

bool session_congested(const struct session *s)
{
    bool rekeying =
        s->blocked || (s->queued >= QUEUED_MAX && s->packets.out_packets == s->queued_behind);

    return rekeying || is_full(s) || s->breached;
}

size_t session_room(const struct session *s)
{
    return session_congested(s) ? 0 : (size_t)(FRESH_MAX - s->fresh);
}

/* As far as libssh knows, which else has closed its descriptor. */
static bool is_connected(const struct session *s)
{
    return ssh_is_connected(s->handle) &&
           (ssh_get_status(s->handle) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

bool session_is_alive(const struct session *s)
{
    return s->death == NULL && is_connected(s);
}

/* Hands libssh what the buffer has. It can say OK about a dead session, so what counts is asked
 * afterwards. */
static void poll_once(struct session *s)
{
    if (ssh_event_dopoll(s->event, 0) == SSH_ERROR && s->death == NULL && session_is_alive(s))
        s->death = "poll failed";
    globals_collect(s);
}

/* While the server does not read, channels write nothing: what is queued then are answers, to
 * requests and opens that it goes on sending. */
static void note_backlog(struct session *s, bool backlog)
{
    if (!s->backlog)
        s->backlog_from = s->packets.out_packets;
    s->backlog = backlog;
    if (backlog && s->packets.out_packets - s->backlog_from > UNREAD_MAX)
        session_breach(s, "the server asks and does not read the answers");
}

/* Sends what libssh has queued since the last time. */
static void flush(struct session *s)
{
    if ((ssh_get_status(s->handle) & SSH_WRITE_PENDING) != 0) {
        transport_let_out(true);
        poll_once(s);
        transport_let_out(false);
    }
    s->fresh = 0;
    note_backlog(s, (ssh_get_status(s->handle) & SSH_WRITE_PENDING) != 0);
}

/* Sends what is queued, and leaves libssh in the belief that the next packet can be sent at once.
 */
static void prepare_farewell(struct session *s)
{
    transport_let_out(true);
    poll_once(s);
    poll_once(s);
    transport_let_out(false);
}

static void destroyed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct session, poll));
}

static void destroy(struct session *s)
{
    struct session *before;

    assert(TAILQ_EMPTY(&s->open));
    later_cancel(s->loop, &s->settle);
    deadline_cancel(&s->keepalive);
    before = session_enter(s);
    while (!TAILQ_EMPTY(&s->opening)) /* cancelled ones that were never answered */
        chan_free(TAILQ_FIRST(&s->opening));
    forwarded_end(s);
    later_cancel(s->loop, &s->settle);
    ssh_set_log_userdata(NULL);
    if (!s->dead)
        prepare_farewell(s);
    transport_enter(-1); /* the farewell is sent at once, and its number may be another's then */
    ssh_event_remove_session(s->event, s->handle);
    ssh_event_free(s->event);
    handle_end(s->handle, !s->dead);
    session_leave(before);
    uv_close((uv_handle_t *)&s->poll, destroyed);
    close(s->watch_fd);
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    s->freed = true;
    if (!s->driving)
        destroy(s);
}

/* Cuts all channels and tells everybody; the last act. */
static void die(struct session *s)
{
    char why[256];

    snprintf(why, sizeof(why), "%s", s->death != NULL ? s->death : ssh_get_error(s->handle));
    if (why[0] == '\0')
        snprintf(why, sizeof(why), "connection closed by the server");
    s->dead = true;
    uv_poll_stop(&s->poll);
    deadline_cancel(&s->keepalive);
    s->driving = true; /* a free from inside waits */
    s->options.dying(s->options.arg);
    while (!TAILQ_EMPTY(&s->opening))
        chan_cut(TAILQ_FIRST(&s->opening), why);
    while (!TAILQ_EMPTY(&s->open))
        chan_cut(TAILQ_FIRST(&s->open), why);
    forwarded_cut(s);
    s->driving = false;
    if (s->freed)
        destroy(s);
    else
        s->options.lost(s->options.arg, why);
}

static void receive(struct session *s)
{
    for (unsigned reads = 0; reads < READS_A_TURN && transport_fill(s->watch_fd); reads++) {
        do
            poll_once(s);
        while (session_is_alive(s) && transport_pending());
        if (!session_is_alive(s) || !transport_filled())
            return;
    }
}

/* The shortest of them: the way there and back, and little besides. */
void session_note_round_trip(struct session *s, uint64_t milliseconds)
{
    if (!s->round_trip_known || milliseconds < s->round_trip)
        s->round_trip = milliseconds;
    s->round_trip_known = true;
}

/* Opens that were answered. The callee may ask for more opens and cancel others; cancelled ones
 * stay listed. */
static void tell_answers(struct session *s)
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
static void wake_writers(struct session *s)
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
                ch->endpoint.events->writable(ch->endpoint.owner);
        }
    }
}

static void tell_dirty(struct session *s)
{
    struct channel *ch;

    while (!s->breached && (ch = TAILQ_FIRST(&s->dirty)) != NULL) {
        TAILQ_REMOVE(&s->dirty, ch, dirty_link);
        ch->is_dirty = false;
        chan_settle(ch);
    }
}

void session_postpone(struct session *s, struct channel *ch)
{
    ch->is_dirty = true;
    ch->is_postponed = true;
    TAILQ_INSERT_TAIL(&s->postponed, ch, dirty_link);
}

/* What was postponed is the next turn's. */
static void take_postponed(struct session *s)
{
    struct channel *ch;

    if (TAILQ_EMPTY(&s->postponed))
        return;
    TAILQ_FOREACH (ch, &s->postponed, dirty_link)
        ch->is_postponed = false;
    TAILQ_CONCAT(&s->dirty, &s->postponed, dirty_link);
    later_post(s->loop, &s->settle, on_settle);
}

static void rearm(struct session *s)
{
    int wanted = UV_READABLE | (s->backlog ? UV_WRITABLE : 0);

    if (wanted != s->polled) {
        s->polled = wanted;
        uv_poll_start(&s->poll, wanted, on_poll);
    }
}

/* Any libssh call may process input, so this looks again until no packet came in meanwhile. */
static void settle(struct session *s)
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

/* One turn: the only place from which channels' events come. */
static void work(struct session *s, bool readable)
{
    struct session *before;
    bool held; /* writers were */

    if (s->dead)
        return;
    if (!is_connected(s) || s->breached) {
        /* A write outside of a turn found its end: the number of its descriptor may be that of a
         * client, whose bytes are not for libssh. */
        die(s);
        return;
    }
    s->driving = true;
    before = session_enter(s);
    if (readable)
        receive(s);
    forwarded_work(s);
    settle(s);
    held = is_full(s);
    flush(s);
    transport_drop();
    session_leave(before);
    s->driving = false;
    if (s->freed)
        destroy(s);
    else if (!session_is_alive(s))
        die(s);
    else {
        take_postponed(s);
        if ((held && !s->backlog) || forwarded_is_due(s))
            later_post(s->loop, &s->settle, on_settle);
        rearm(s);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct session *s = container_of(poll, struct session, poll);

    (void)events;
    if (status < 0) {
        int error = 0;
        socklen_t size = sizeof(error);
        /* (libuv says only that there is one.) */
        getsockopt(s->watch_fd, SOL_SOCKET, SO_ERROR, &error, &size);
        s->death = error != 0 ? strerrordesc_np(error) : "connection error";
    }
    work(s, true);
}

static void on_settle(struct later *later)
{
    work(container_of(later, struct session, settle), false);
}

void session_touch(struct session *s)
{
    if (s->driving)
        s->again = true;
    else if (!s->dead)
        later_post(s->loop, &s->settle, on_settle);
}

/* Any byte received is life: only silence is asked, and only silence kills. */
static void keepalive_due(struct deadline *deadline)
{
    struct session *s = container_of(deadline, struct session, keepalive);

    if (s->bytes.in_bytes != s->heard_bytes) {
        s->heard_bytes = s->bytes.in_bytes;
        s->unanswered = 0;
    } else if (s->unanswered >= s->options.keepalive_max) {
        s->death = "no answer to keepalives";
        work(s, false);
        return;
    } else {
        s->unanswered++;
        globals_keepalive(s);
    }
    deadline_arm(s->loop, &s->keepalive, s->options.keepalive_ms, keepalive_due);
}

void session_probe(struct session *s)
{
    if (s->options.keepalive_ms == 0 || s->dead)
        return;
    s->heard_bytes = s->bytes.in_bytes;
    s->unanswered = s->options.keepalive_max;
    globals_keepalive(s);
    deadline_arm(s->loop, &s->keepalive, PROBE_ANSWER_MS, keepalive_due);
}

/* How long the server has been silent while an open waits for it, beyond what the way there and
 * back takes. */
static uint64_t silence(const struct session *s)
{
    const struct channel *oldest = TAILQ_FIRST(&s->opening);
    uint64_t since;

    if (oldest == NULL)
        return 0;
    since = (oldest->asked_at > s->heard_at ? oldest->asked_at : s->heard_at) + 2 * s->round_trip;
    return loop_now(s->loop) > since ? loop_now(s->loop) - since : 0;
}

bool session_peer(const struct session *s, struct ip *peer)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    uint16_t port;

    return getpeername(s->watch_fd, (struct sockaddr *)&address, &length) == 0 &&
           ip_from_sockaddr((struct sockaddr *)&address, peer, &port);
}

void session_tick(struct session *s)
{
    /* A target that does not answer is no reason to avoid a session; an sshd that answers nobody,
     * because it resolves a name, is. Its reply to a keepalive tells which it is: it handles one
     * packet after another. */
    if (!s->dead && !s->probed && silence(s) >= PROBE_MS) {
        s->probed = true;
        globals_keepalive(s);
    }
    globals_tick(s);
}

void session_state(const struct session *s, struct session_state *state)
{
    *state = (struct session_state){
        .bytes_in = s->bytes.in_bytes,
        .bytes_out = s->bytes.out_bytes,
        .carried = s->carried,
        .channels = s->channels,
        .abandoned = s->abandoned,
        .silent_ms = s->dead ? 0 : silence(s),
    };
}

struct session *session_new(struct loop *loop, struct dialled *dialled_session,
                            const struct session_options *options)
{
    struct session *s = mem_zalloc(sizeof(*s));

    if (uv_poll_init(loop_uv(loop), &s->poll, dialled_session->watch_fd) != 0) {
        free(s);
        return NULL;
    }
    s->loop = loop;
    s->options = *options;
    s->handle = dialled_session->handle;
    s->handle_fd = ssh_get_fd(s->handle);
    s->watch_fd = dialled_session->watch_fd;
    free(dialled_session);
    TAILQ_INIT(&s->opening);
    TAILQ_INIT(&s->open);
    TAILQ_INIT(&s->writers);
    TAILQ_INIT(&s->dirty);
    TAILQ_INIT(&s->postponed);
    answers_init(&s->answers);
    ssh_set_counters(s->handle, &s->bytes, &s->packets);
    forwarded_init(s);
    s->event = ssh_event_new();
    if (s->event == NULL || ssh_event_add_session(s->event, s->handle) != SSH_OK)
        abort(); /* only for lack of memory */
    s->heard_at = loop_now(loop);
    if (options->keepalive_ms > 0)
        deadline_arm(loop, &s->keepalive, options->keepalive_ms, keepalive_due);
    later_post(loop, &s->settle,
               on_settle); /* input may have come with the last of the authentication */
    return s;
}

struct session_open *session_open_tcp(struct session *s, const char *host, uint16_t port,
                                      const char *origin, uint16_t origin_port,
                                      void (*done)(void *arg, struct endpoint *channel,
                                                   const struct open_failure *failure),
                                      void *arg)
{
    struct channel *ch =
        chan_new(s, &(struct open_target){
                        .host = host, .port = port, .origin = origin, .origin_port = origin_port});

    ch->done = done;
    ch->arg = arg;
    return (struct session_open *)ch;
}

struct session_open *session_open_unix(struct session *s, const char *path,
                                       void (*done)(void *arg, struct endpoint *channel,
                                                    const struct open_failure *failure),
                                       void *arg)
{
    struct channel *ch = chan_new(s, &(struct open_target){.path = path});

    ch->done = done;
    ch->arg = arg;
    return (struct session_open *)ch;
}

void session_open_cancel(struct session_open *open)
{
    struct channel *ch = (struct channel *)open;

    ch->done = NULL;
    ch->session->abandoned++;
}

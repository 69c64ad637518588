/* Whether the server still answers: keepalives, how long the server has been silent, and how long
 * the way to it and back is. */
#include "session_libssh/channel.h"

#include "io/socket_calls.h"

/* After this long with an unanswered open and nothing received, a keepalive asks whether the server
 * is busy resolving a name. */
#define PROBE_MS 250

/* For the log: the worker counts a session as overdue then (worker/worker_sessions.c). */
#define OVERDUE_MS 500

/* After a sleep of the machine: how long a peer has to show that it is still there. */
#define PROBE_ANSWER_MS 5000

/* The shortest answer counts, that of the login to begin with: the way there and back, and little
 * besides. */
void session_note_round_trip(struct libssh_session *s, uint64_t milliseconds)
{
    if (milliseconds < s->round_trip.ms)
        s->round_trip.ms = milliseconds;
    s->round_trip.measured = true;
}

/* Keepalives are counted by the caller. */
static void send_keepalive(struct libssh_session *s)
{
    if (s->keepalive.awaited == 0)
        s->keepalive.awaited = loop_now(s->loop);
    /* (The first one also finds out whether the server answers at all, and how fast.) */
    if (!s->round_trip.measured && !s->global_requests.unimplemented)
        global_requests_probe(s);
    else
        global_requests_keepalive(s);
}

/* Whether the server, which does not answer keepalives but with UNIMPLEMENTED (libssh forgets no
 * keepalive that was answered so, and sends no other), has acknowledged by TCP the packet that was
 * sent in the place of one. */
static bool is_acknowledged(const struct libssh_session *s)
{
    return s->global_requests.unimplemented && socket_is_acknowledged(s->socket.watch_fd);
}

/* Any byte received shows that the server lives: keepalives are sent only in silence. */
static void keepalive_due(struct deadline *deadline)
{
    struct libssh_session *s = container_of(deadline, struct libssh_session, keepalive.deadline);

    if (s->bytes.in_bytes != s->keepalive.heard_bytes) {
        s->keepalive.heard_bytes = s->bytes.in_bytes;
        s->keepalive.unanswered = 0;
    } else if (is_acknowledged(s)) {
        s->keepalive.unanswered = 1;
        session_debug(s, "packet to be ignored sent, as the server acknowledged the last one");
        send_keepalive(s);
    } else if (s->keepalive.unanswered >= s->options.keepalive_max) {
        s->end.why = "no answer to keepalives";
        session_turn(s, false);
        return;
    } else {
        s->keepalive.unanswered++;
        session_debug(s, "keepalive sent, %u of %u unanswered", s->keepalive.unanswered,
                      s->options.keepalive_max);
        send_keepalive(s);
    }
    deadline_arm(s->loop, &s->keepalive.deadline, s->options.keepalive_ms, keepalive_due);
}

void session_liveness_init(struct libssh_session *s)
{
    session_pings_init(s);
    s->silence.heard_at = loop_now(s->loop);
    if (s->options.keepalive_ms > 0)
        deadline_arm(s->loop, &s->keepalive.deadline, s->options.keepalive_ms, keepalive_due);
}

void session_liveness_end(struct libssh_session *s)
{
    session_pings_end(s);
    deadline_cancel(&s->keepalive.deadline);
}

void session_liveness_turn(struct libssh_session *s)
{
    if (s->packets.in_packets == s->silence.heard_packets)
        return;
    s->silence.heard_packets = s->packets.in_packets;
    s->silence.heard_at = loop_now(s->loop);
    s->silence.checked_at = 0;
    s->silence.probed = false;
    s->silence.is_overdue = false;
    if (s->keepalive.awaited > 0) {
        s->keepalive.answers++;
        s->keepalive.answer_ms = loop_now(s->loop) - s->keepalive.awaited;
        session_debug(s, "heard from again %llu ms after a keepalive",
                      (unsigned long long)s->keepalive.answer_ms);
    }
    s->keepalive.awaited = 0;
    session_pings_turn(s);
}

void libssh_session_probe(struct session *session)
{
    struct libssh_session *s = libssh_session_of(session);

    if (s->options.keepalive_ms == 0 || s->end.dead)
        return;
    s->keepalive.heard_bytes = s->bytes.in_bytes;
    s->keepalive.unanswered = s->options.keepalive_max;
    session_debug(s, "keepalive sent: lost if the server sends nothing for %d ms", PROBE_ANSWER_MS);
    send_keepalive(s);
    deadline_arm(s->loop, &s->keepalive.deadline, PROBE_ANSWER_MS, keepalive_due);
}

void libssh_session_check(struct session *session)
{
    struct libssh_session *s = libssh_session_of(session);

    if (s->end.dead || s->silence.checked_at > 0 || s->options.keepalive_ms == 0)
        return;
    s->silence.checked_at = loop_now(s->loop);
    session_debug(s, "keepalive sent: whether the server answers, as another session's does not");
    send_keepalive(s);
}

/* When the server was asked for what it owes an answer to; 0: it owes none. */
static uint64_t asked_since(const struct libssh_session *s)
{
    const struct channel *oldest = TAILQ_FIRST(&s->channels.opening);

    if (oldest == NULL)
        return s->silence.checked_at;
    return s->silence.checked_at > 0 && s->silence.checked_at < oldest->open.asked_at
               ? s->silence.checked_at
               : oldest->open.asked_at;
}

/* How long the server has been silent while it owes an answer, beyond what the way there and back
 * takes. */
uint64_t session_silent_ms(const struct libssh_session *s)
{
    uint64_t since = asked_since(s);

    if (since == 0)
        return 0;
    if (since < s->silence.heard_at)
        since = s->silence.heard_at;
    since += 2 * s->round_trip.ms;
    return loop_now(s->loop) > since ? loop_now(s->loop) - since : 0;
}

void libssh_session_tick(struct session *session)
{
    struct libssh_session *s = libssh_session_of(session);

    /* A target that does not answer is no reason to avoid a session; an sshd that answers nobody,
     * because it resolves a name, is. Its reply to a keepalive tells which it is: it handles one
     * packet after another. */
    if (!s->end.dead && !s->silence.probed && session_silent_ms(s) >= PROBE_MS) {
        s->silence.probed = true;
        session_debug(s, "silent while an open waits: keepalive sent");
        send_keepalive(s);
    }
    if (!s->end.dead && !s->silence.is_overdue && session_silent_ms(s) >= OVERDUE_MS) {
        s->silence.is_overdue = true;
        session_debug(s, "overdue: silent for %llu ms while an open waits",
                      (unsigned long long)session_silent_ms(s));
    }
    session_log_stalls(s);
    opens_tick(s);
    global_requests_tick(s);
    session_pings_tick(s);
}

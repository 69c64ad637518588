/* Measuring the way to the server and back when somebody asks (adit -O ping). It is done with the
 * keepalive that global_requests_probe sends: a request of a name that no server knows, which a
 * server answers at once (RFC 4254 section 4). */
#include "session_libssh/libssh_session.h"

/* How long an answer is waited for. */
#define PING_PATIENCE_MS 10000

void session_pings_init(struct libssh_session *s)
{
    TAILQ_INIT(&s->pings.waiting);
}

static void ping_answer(struct libssh_session *s, struct session_ping *ping, const char *failure,
                        uint64_t microseconds)
{
    TAILQ_REMOVE(&s->pings.waiting, ping, link);
    ping->answered(ping, failure, microseconds);
}

static void answer_all(struct libssh_session *s, const char *failure, uint64_t microseconds)
{
    while (!TAILQ_EMPTY(&s->pings.waiting))
        ping_answer(s, TAILQ_FIRST(&s->pings.waiting), failure, microseconds);
}

void session_pings_heard(struct libssh_session *s, uint64_t microseconds)
{
    s->pings.answered = true;
    s->pings.answer_us = microseconds;
}

void session_pings_turn(struct libssh_session *s)
{
    if (s->pings.answered)
        answer_all(s, NULL, s->pings.answer_us);
    s->pings.answered = false;
}

/* (Nothing is sent while libssh waits for another answer; it is tried again with the next tick.) */
void session_pings_tick(struct libssh_session *s)
{
    struct session_ping *ping = TAILQ_FIRST(&s->pings.waiting);

    if (ping == NULL || s->end.dead)
        return;
    if (s->global_requests.unimplemented) {
        answer_all(s, "the server does not answer global requests", 0);
        return;
    }
    while (ping != NULL && loop_now(s->loop) - ping->asked_at >= PING_PATIENCE_MS) {
        ping_answer(s, ping, "the server did not answer within 10 s", 0);
        ping = TAILQ_FIRST(&s->pings.waiting);
    }
    if (ping != NULL)
        global_requests_probe(s);
}

void session_pings_end(struct libssh_session *s)
{
    answer_all(s, "the session was lost", 0);
}

void libssh_session_ping(struct session *session, struct session_ping *ping)
{
    struct libssh_session *s = libssh_session_of(session);

    ping->asked_at = loop_now(s->loop);
    TAILQ_INSERT_TAIL(&s->pings.waiting, ping, link);
    if (!s->end.dead && !s->global_requests.unimplemented)
        global_requests_probe(s);
}

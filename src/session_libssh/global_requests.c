/* The global requests of one session: asking, and recognising answers. */
#include "session_libssh/global_requests.h"

#include "base/clock.h"
#include "base/log.h"
#include "session_libssh/expectations.h"
#include "session_libssh/libssh_session.h"

#include <libssh/server.h>
#include <string.h>

/* A server that has not answered after this long never will, and the log that the measurement needs
 * costs something. */
#define PROBE_PATIENCE_MS 10000

void global_requests_init(struct global_requests *g)
{
    TAILQ_INIT(&g->queue);
}

void global_requests_ask(struct libssh_session *s, struct global_request *request)
{
    TAILQ_INSERT_TAIL(&s->global_requests.queue, request, link);
    s->global_requests.fresh = true;
    session_touch(s);
}

bool global_requests_withdraw(struct libssh_session *s, struct global_request *request)
{
    struct global_requests *g = &s->global_requests;

    if (g->asked && request == TAILQ_FIRST(&g->queue))
        return false;
    TAILQ_REMOVE(&g->queue, request, link);
    return true;
}

/* Asks, or takes the answer to what was asked: libssh has one call for both. */
static int call(struct libssh_session *s, const struct global_request *r)
{
    if (r->cancel)
        return ssh_channel_cancel_forward(s->handle, r->bind, r->port);
    return ssh_channel_listen_forward(s->handle, r->bind, r->port, &s->global_requests.port);
}

/* How often a call may end without having sent anything: the first may have taken the answer to a
 * keepalive. */
#define CALLS_MAX 2

/* Where libssh's log is not known to tell whether the call has sent the request, packets tell:
 * something went out, and an answer is waited for. (They may have been others'.) */
static void check_sent(struct global_requests *g, bool maybe)
{
    if (g->sent)
        expectation_met(EXPECT_REQUEST);
    else if (maybe && !g->asked && !expectation_is_met(EXPECT_REQUEST))
        g->sent = g->assumed = true;
}

/* Whether the first request of the queue was answered, and how. */
static bool is_answered(struct libssh_session *s, const struct global_request *r, bool *accepted)
{
    struct global_requests *g = &s->global_requests;
    int rc = SSH_ERROR;

    for (unsigned calls = 0; calls < CALLS_MAX && !g->collected; calls++) {
        bool asked = g->asked;
        uint64_t packets = s->packets.out_packets;
        g->sent = false;
        ssh_set_log_level(SSH_LOG_PACKET);
        rc = call(s, r);
        check_sent(g, rc == SSH_AGAIN && s->packets.out_packets != packets);
        g->asked = asked || g->sent;
        session_log(s);
        if (g->sent)
            g->asked_at = loop_now(s->loop);
        if (rc == SSH_AGAIN && !g->collected)
            return false;
        if (g->asked)
            break;
    }
    *accepted = g->collected || rc == SSH_OK;
    if (*accepted && g->assumed)
        expectation_failed(EXPECT_REQUEST);
    return true;
}

static void finish_first(struct libssh_session *s, bool accepted)
{
    struct global_requests *g = &s->global_requests;
    struct global_request *r = TAILQ_FIRST(&g->queue);
    uint16_t port = r->port;

    if (accepted && !r->cancel && r->port == 0) {
        if (g->success_seen)
            expectation_met(EXPECT_PORT);
        else
            expectation_failed(EXPECT_PORT);
        port = !g->success_seen || g->passed || g->port < 0 || g->port > UINT16_MAX
                   ? 0
                   : (uint16_t)g->port;
        if (port == 0)
            log_warning("libssh did not tell which port the server listens on");
    }
    TAILQ_REMOVE(&g->queue, r, link);
    if (g->asked)
        session_note_round_trip(s, loop_now(s->loop) - g->asked_at);
    g->asked = false;
    g->sent = false;
    g->assumed = false;
    g->success_seen = false;
    g->collected = false;
    g->passed = false;
    g->port = 0;
    session_log(s);
    r->answered(r, accepted, accepted ? port : 0);
}

void global_requests_turn(struct libssh_session *s)
{
    struct global_request *r;
    bool accepted = false;

    s->global_requests.fresh = false;
    while (session_is_alive(s) && (r = TAILQ_FIRST(&s->global_requests.queue)) != NULL &&
           (s->global_requests.unimplemented || is_answered(s, r, &accepted)))
        finish_first(s, !s->global_requests.unimplemented && accepted);
}

void global_requests_keepalive(struct libssh_session *s)
{
    uint64_t packets = s->packets.out_packets;
    struct libssh_session *before;

    if (s->global_requests.asked)
        return;
    before = session_enter(s);
    if (s->global_requests.unimplemented)
        ssh_send_ignore(s->handle, "");
    else
        ssh_send_keepalive(s->handle);
    /* While a keepalive is pending the first call only collects its answer. */
    if (s->packets.out_packets == packets && !s->global_requests.unimplemented)
        ssh_send_keepalive(s->handle);
    s->global_requests.kept_alive = true;
    session_leave(before);
    session_touch(s);
}

void global_requests_probe(struct libssh_session *s)
{
    struct global_requests *g = &s->global_requests;

    if (g->probing || g->asked)
        return;
    g->sent = false;
    g->probing = true; /* the log is needed for what follows */
    g->probed_at = loop_now(s->loop);
    g->probed_us = clock_now_us();
    global_requests_keepalive(s);
    g->probing =
        g->sent; /* else an earlier one is out, whose answer tells nothing about this one */
    g->sent = false;
}

void global_requests_tick(struct libssh_session *s)
{
    if (s->global_requests.probing &&
        loop_now(s->loop) - s->global_requests.probed_at > PROBE_PATIENCE_MS)
        s->global_requests.probing = false;
}

/* Whether the request that libssh has is one whose answer says more than yes or no. */
static bool wants_port(const struct global_requests *g)
{
    const struct global_request *r = TAILQ_FIRST(&g->queue);

    return (g->asked || g->sent) && r != NULL && !r->cancel && r->port == 0;
}

int global_requests_log_level(const struct global_requests *g)
{
    return wants_port(g) || g->probing ? SSH_LOG_PACKET : SSH_LOG_WARN;
}

/* The server's answer lies in libssh's buffer, with its state already set, and the next packet
 * has not been touched: the call finds all it needs. */
static void collect(struct libssh_session *s)
{
    struct global_requests *g = &s->global_requests;

    g->collected = true; /* before: the call writes to the log as well */
    g->collected = call(s, TAILQ_FIRST(&g->queue)) == SSH_OK;
}

void global_requests_collect(struct libssh_session *s)
{
    struct global_requests *g = &s->global_requests;

    if (wants_port(g) && g->success_seen && !g->collected && !g->passed)
        collect(s);
}

/* An answer to any global request; to a keepalive servers usually answer no. */
static bool is_answer(const char *function, const char *text)
{
    return (strcmp(function, "ssh_request_success") == 0 ||
            strcmp(function, "ssh_request_denied") == 0) &&
           strstr(text, "Received") != NULL;
}

/* A server that does not know global requests (RFC 4253 section 11.4). (Which of adit's packets it
 * means need not be found out: nothing else that adit sends is unknown to a server.) */
static bool is_unimplemented(const char *function, const char *text)
{
    return strcmp(function, "ssh_packet_unimplemented") == 0 && strstr(text, "Received") != NULL;
}

/* (The server's own words come from other functions.) */
void global_requests_read_log(struct libssh_session *s, const char *function, const char *text)
{
    struct global_requests *g = &s->global_requests;
    bool of_socket = strcmp(function, "ssh_packet_socket_callback") == 0;

    if (strcmp(function, "ssh_global_request") == 0 &&
        strstr(text, "Sent a SSH_MSG_GLOBAL_REQUEST") != NULL)
        g->sent = true;
    if (g->probing && is_answer(function, text)) {
        g->probing = false;
        session_note_round_trip(s, loop_now(s->loop) - g->probed_at);
        session_pings_heard(s, clock_now_us() - g->probed_us);
    }
    if (is_unimplemented(function, text)) {
        g->probing = false;
        g->unimplemented |= g->kept_alive || g->asked;
    }
    if (!wants_port(g) || g->collected)
        return;
    if (strcmp(function, "ssh_request_success") == 0 && strstr(text, "Received") != NULL)
        g->success_seen = true;
    else if (of_socket && g->success_seen && strstr(text, "left in socket buffer") != NULL)
        collect(s);
    else if (of_socket && g->success_seen && strstr(text, "packet: read type") != NULL)
        g->passed = true;
}

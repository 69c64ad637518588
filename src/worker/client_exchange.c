/* One HTTP request of a client and its response; then the client may ask again (RFC 9112 section
 * 9). Each request is judged for itself, has its own credentials and its own access line. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "worker/http_exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long a client may wait between two requests. */
#define IDLE_MS 60000

bool client_may_stay(const struct client *c)
{
    struct workers *workers = c->worker->workers;

    return !atomic_load(&workers->draining) && !c->worker->stopping &&
           c->generation->serial >= atomic_load(&workers->serial);
}

static bool exchange_stays(void *arg)
{
    return client_may_stay(arg);
}

static void take_buffer(struct buffer *to, struct buffer *from)
{
    buffer_wipe(to);
    *to = *from;
    *from = (struct buffer){0};
}

/* Both connections are the client's again. `held` gets what the origin has sent beyond what the
 * exchange has read, and that is no response to a request that was sent ahead. */
static void take_back(struct client *c, const struct http_exchange_result *result,
                      struct buffer *held)
{
    struct client_request *r = c->request;
    size_t paced;

    take_buffer(&r->reading.in, result->from_client);
    paced = buffer_length(&r->reading.in);
    c->endpoint = client_pace_end(result->client, &r->reading.in);
    client_pace_count(c, buffer_length(&r->reading.in) - paced);
    r->opened = client_pace_end(result->origin, held);
    r->http.pipelines = result->pipelines;
    if (client_ahead_count(c) > 0 && r->opened != NULL) {
        take_buffer(client_ahead_response(c), result->from_origin);
        take_buffer(client_ahead_waiting(c), held);
    } else if (client_ahead_count(c) > 0 || (r->http.sent && result->end == HTTP_EXCHANGE_STALE)) {
        client_forget_ahead(c);
    }
}

/* The same where the origin has nothing more to say: if it has, it is not kept. */
static void take_back_kept(struct client *c, const struct http_exchange_result *result)
{
    struct buffer held = {0};

    take_back(c, result, &held);
    if (buffer_length(&held) > 0) {
        endpoint_close(c->request->opened, true);
        c->request->opened = NULL;
    }
    buffer_clear(&held);
}

static void take_back_upgraded(struct client *c, const struct http_exchange_result *result)
{
    struct buffer held = {0};

    take_back(c, result, &held);
    take_buffer(&c->request->from_origin, result->from_origin);
    buffer_append(&c->request->from_origin, buffer_data(&held), buffer_length(&held));
    buffer_clear(&held);
}

/* The request is as it was before a kept connection was found for it. */
static void ask_again(struct client *c)
{
    if (!c->origin.via_remote_forward)
        client_release_slot(c);
    c->request->http.kept = c->request->http.sent = c->request->http.pipelines = false;
    c->request->http.retried = true;
    c->request->way.by_address = false;
    c->verdict.judged = false;
    c->outcome = OUTCOME_GIVEN_UP; /* (until it is answered) */
    c->reached = 0;
    c->bytes[0] = c->bytes[1] = 0;
    metric_add(&c->worker->metrics.retries, 1);
    client_listen(c);
    client_event(c, CLIENT_STALE, NULL);
}

static void end_cut(struct client *c, const struct http_exchange_result *result)
{
    char why[300];

    client_count_cut(c);
    client_describe_cut(c, result->failed, result->reason, why, sizeof(why));
    client_event(c, CLIENT_FAILED, why);
}

static void on_exchange_done(void *arg, const struct http_exchange_result *result)
{
    struct client *c = arg;

    c->exchange = NULL;
    memcpy(c->bytes, result->bytes, sizeof(c->bytes));
    if (result->outcome != OUTCOME_OK)
        c->outcome = result->outcome;
    switch (result->end) {
    case HTTP_EXCHANGE_KEPT:
        take_back_kept(c, result);
        client_event(c, CLIENT_EXCHANGED, "answered");
        break;
    case HTTP_EXCHANGE_UPGRADED:
        take_back_upgraded(c, result);
        client_event(c, CLIENT_UPGRADED, NULL);
        break;
    case HTTP_EXCHANGE_STALE:
        take_back_kept(c, result);
        ask_again(c);
        break;
    case HTTP_EXCHANGE_CLOSED: client_event(c, CLIENT_CLOSED, result->reason); break;
    case HTTP_EXCHANGE_FAILED: end_cut(c, result); break;
    }
}

/* What has come of the response and had to wait for the client's rate goes on waiting for it. */
static void hold_waiting(struct client *c)
{
    struct buffer *waiting = client_ahead_waiting(c);

    if (endpoint_is_paced(c->request->opened))
        paced_hold(c->request->opened, waiting);
    else
        buffer_append(client_ahead_response(c), buffer_data(waiting), buffer_length(waiting));
    buffer_clear(waiting);
}

enum client_event client_exchange(struct client *c)
{
    struct client_request *r = c->request;
    struct http_exchange_start start = {
        .head = &r->head,
        .from_client = &r->reading.in,
        .body = r->http.body,
        .target = &r->target,
        .upgrade = {r->http.upgrade, strlen(r->http.upgrade)},
        .old = r->http.old,
        .is_head = r->http.is_head,
        .close = r->http.close,
        .kept = r->http.kept,
        .repeatable = r->http.repeatable,
        .pipelines = r->http.pipelines,
        .sent = r->http.sent,
        .stays = exchange_stays,
        .done = on_exchange_done,
        .arg = c,
    };

    if (client_can_keep(c))
        start.next = client_send_ahead;
    if (r->http.sent) {
        start.from_origin = client_ahead_response(c);
        start.ahead = client_ahead_bytes(c);
    }
    client_pace_begin(c);
    if (r->http.sent)
        hold_waiting(c);
    start.client = c->endpoint;
    start.origin = r->opened;
    c->endpoint = NULL;
    r->opened = NULL;
    c->exchange = http_exchange_new(c->worker->loop, &start);
    client_watch_idle(c);
    return CLIENT_NOTHING;
}

/* The next request. */

/* What was asked for, and what came of it, is no more. */
static void forget_wish(struct client *c)
{
    free(c->wish.user);
    free(c->wish.tried);
    free(c->wish.target);
    c->wish.user = c->wish.tried = NULL;
    c->wish.target = NULL;
    c->verdict = (struct client_verdict){0};
    c->bytes[0] = c->bytes[1] = 0;
    c->outcome = OUTCOME_MALFORMED; /* (until the next request is whole) */
    if (c->origin.via_remote_forward)
        return; /* its session stays the one that it came by */
    client_release_slot(c);
    c->session.upstream = NULL;
    c->session.table = NULL;
}

static void wait_expired(struct deadline *deadline)
{
    client_event(container_of(deadline, struct client, deadline), CLIENT_TIMED_OUT, NULL);
}

enum client_event client_renew(struct client *c)
{
    struct endpoint *origin = c->request->opened;
    struct buffer in = {0};

    client_log_request(c);
    c->request->opened = NULL;
    if (origin != NULL)
        client_keep(c, origin);
    take_buffer(&in, &c->request->reading.in);
    client_forget_request(c);
    forget_wish(c);
    c->request = mem_zalloc(sizeof(*c->request));
    c->request->reading.in = in;
    client_listen(c);
    if (!client_may_stay(c))
        return CLIENT_TIMED_OUT;
    if (buffer_length(&in) > 0)
        return CLIENT_BYTES;
    deadline_arm(c->worker->loop, &c->deadline, IDLE_MS, wait_expired);
    return CLIENT_NOTHING;
}

void clients_end_idle(struct worker *worker)
{
    struct client *c, *next;

    for (c = TAILQ_FIRST(&worker->clients); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (c->state == CLIENT_IDLE && !client_may_stay(c))
            client_event(c, CLIENT_TIMED_OUT, NULL);
    }
}

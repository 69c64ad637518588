/* The response of an HTTP exchange: its heads, its body, and what the origin does. */
#include "worker/http_exchange_parts.h"

#include <assert.h>
#include <string.h>

/* How many 1xx responses may come before the response proper; an HTTP server sends fewer. */
#define INTERIMS_MAX 32

static_assert(HTTP_HEAD_MAX + HTTP_RESPONSE_EXTRA + HTTP_REPLY_MAX <= ENDPOINT_MESSAGES_MAX,
              "a rewritten head and an answer behind it are messages");

static struct text asked_upgrade(const struct http_exchange *x)
{
    return (struct text){x->upgrade, strlen(x->upgrade)};
}

/* Whether the client may go on asking behind this response. */
static bool may_stay(const struct http_exchange *x)
{
    return !x->start.close && x->answer.framing != HTTP_UNTIL_CLOSE && http_body_done(&x->body) &&
           !http_exchange_is_last(x) && x->start.stays(x->start.arg);
}

static void send_head(struct http_exchange *x, const struct http_response *response,
                      enum http_connection connection)
{
    struct buffer rewritten = {0};
    uint8_t *out = buffer_reserve(&rewritten, response->head_length + HTTP_RESPONSE_EXTRA);

    buffer_commit(&rewritten,
                  http_response_rewrite(response, buffer_data(&x->head), connection, out));
    endpoint_send(x->client, buffer_data(&rewritten), buffer_length(&rewritten));
    buffer_clear(&rewritten);
}

/* A head that is not the last one (RFC 9110 section 15.2). False: there were too many. */
static bool take_interim(struct http_exchange *x, const struct http_response *response)
{
    if (++x->interims > INTERIMS_MAX)
        return false;
    if (!x->start.old)
        send_head(x, response, HTTP_KEEP);
    x->progress = (struct http_progress){0};
    buffer_consume(&x->head, response->head_length);
    return true;
}

/* The final head. False: it switches to what was not asked for. */
static bool take_final(struct http_exchange *x, const struct http_response *response)
{
    enum http_connection connection = HTTP_UPGRADE;

    if (response->status == 101) {
        if (!http_body_done(&x->body) || !http_response_upgrades(response, asked_upgrade(x)))
            return false;
        x->upgraded = x->answered = true;
    } else {
        x->answer = http_response_body(response, x->start.is_head);
        x->client_stays = may_stay(x);
        x->origin_stays = !response->close;
        x->pipelines |= x->origin_stays && response->minor > 0;
        connection = x->client_stays ? HTTP_KEEP : HTTP_CLOSE;
    }
    x->head_done = true;
    send_head(x, response, connection);
    buffer_consume(&x->head, response->head_length);
    return true;
}

/* Keeps what answers the next request, which was sent ahead. */
static void keep_next_response(struct http_exchange *x, const uint8_t *bytes, size_t length)
{
    buffer_append(&x->head, bytes, length);
    x->bytes[1] -= length;
}

/* Takes bytes of the response's body. */
static void take_body(struct http_exchange *x, const uint8_t *bytes, size_t length)
{
    bool bad = false;
    size_t part = http_body_take(&x->answer, bytes, length, &bad);
    size_t taken = 0;

    if (buffer_length(&x->down) == 0 && part > 0)
        taken = endpoint_write(x->client, bytes, part);
    if (taken < part)
        buffer_append(&x->down, bytes + taken, part - taken);
    if (!bad && part < length && http_exchange_is_ahead(x))
        keep_next_response(x, bytes + part, length - part);
    else if (bad || part < length)
        x->origin_stays = false; /* it sends what is no part of a response */
    if (bad)
        x->client_stays = false; /* the client finds the fault itself */
    if (bad || http_body_done(&x->answer))
        x->answered = true;
}

/* The head was the last one: what came behind it is body, or of the new protocol. */
static void take_behind_head(struct http_exchange *x)
{
    struct buffer rest = x->head;

    if (x->upgraded)
        return;
    x->head = (struct buffer){0};
    take_body(x, buffer_data(&rest), buffer_length(&rest));
    buffer_clear(&rest);
}

/* Parses the heads that have come. One that the client has not taken whole is followed by no other
 * one. False: they are refused, and that is done by the caller's caller outside of `data`. */
static enum outcome take_heads(struct http_exchange *x)
{
    while (!x->head_done && !endpoint_is_draining(x->client)) {
        struct http_response response;

        switch (http_response_parse(buffer_data(&x->head), buffer_length(&x->head), &x->progress,
                                    &response)) {
        case WIRE_MORE: return OUTCOME_OK;
        case WIRE_BAD:
            return x->progress.too_long ? OUTCOME_RESPONSE_TOO_LARGE : OUTCOME_BAD_RESPONSE;
        case WIRE_OK: break;
        }
        if (response.interim ? !take_interim(x, &response) : !take_final(x, &response))
            return OUTCOME_BAD_RESPONSE;
    }
    if (x->head_done)
        take_behind_head(x);
    return OUTCOME_OK;
}

static void end_response(struct http_exchange *x)
{
    bool stays = x->client_stays && http_body_done(&x->body) && !x->eof_sent &&
                 buffer_length(&x->up) == 0 && !http_exchange_is_last(x);

    if (x->upgraded)
        http_exchange_finish(x, HTTP_EXCHANGE_UPGRADED);
    else if (stays)
        http_exchange_finish(x, HTTP_EXCHANGE_KEPT);
    else
        http_exchange_close(x);
}

/* The origin has ended: what that means for the response. */
void http_exchange_end_by_origin(struct http_exchange *x, const char *why)
{
    if (!x->heard && x->start.kept && x->start.repeatable) {
        http_exchange_close_origin(x, true);
        http_exchange_finish(x, HTTP_EXCHANGE_STALE);
    } else if (!x->heard && x->start.kept) {
        /* The request may have been served, and only the client can know whether to ask again. It
         * sees what it would see without a proxy. */
        http_exchange_set_why(x, "the origin closed the kept connection");
        x->result.outcome = OUTCOME_NO_RESPONSE;
        http_exchange_close(x);
    } else if (!x->head_done) {
        http_exchange_refuse(x, OUTCOME_NO_RESPONSE, why);
    } else if (x->answer.framing != HTTP_UNTIL_CLOSE) {
        http_exchange_set_why(x, "the origin ended inside its response");
        http_exchange_close(x);
    } else {
        x->answered = true;
        http_exchange_close(x);
    }
}

/* Whether the client has still to take what it was sent; its `writable` follows. */
static bool waits_for_client(struct http_exchange *x)
{
    uint64_t ignored = 0;

    return (!x->head_done && endpoint_is_draining(x->client)) ||
           !http_exchange_flush(&x->down, x->client, &ignored) ||
           (x->answered && endpoint_is_draining(x->client));
}

/* What came is no response. The one before may have been longer than it said, as some origins
 * answer HEAD: then this one would be right on a connection of its own. */
static void ask_again_alone(struct http_exchange *x)
{
    http_exchange_close_origin(x, true);
    http_exchange_finish(x, HTTP_EXCHANGE_STALE);
}

void http_exchange_advance_response(struct http_exchange *x)
{
    enum outcome bad = x->head_done ? OUTCOME_OK : take_heads(x);

    if (bad == OUTCOME_BAD_RESPONSE && x->start.sent && x->interims == 0)
        ask_again_alone(x);
    else if (bad != OUTCOME_OK)
        http_exchange_refuse(x, bad, NULL);
    else if (waits_for_client(x))
        return;
    else if (x->answered)
        end_response(x);
    else if (x->origin_eof)
        http_exchange_end_by_origin(x, NULL);
    else
        endpoint_resume(x->origin);
}

/* The origin's events. */

static size_t on_origin_room(void *owner)
{
    struct http_exchange *x = owner;

    if (x->answered || x->ended)
        return 0;
    if (!x->head_done)
        return endpoint_is_draining(x->client) ? 0 : LOOP_SCRATCH_SIZE;
    return buffer_length(&x->down) > 0 ? 0 : endpoint_room(x->client);
}

static bool on_origin_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct http_exchange *x = owner;

    if (x->answered && !x->upgraded && !x->ended && !http_exchange_is_ahead(x)) {
        x->origin_stays = false; /* nothing was asked for that it answers */
        return true;
    }
    if (x->answered || x->ended || buffer_length(&x->down) > 0 ||
        (!x->head_done && endpoint_is_draining(x->client)))
        return false;
    x->heard = true;
    x->bytes[1] += length;
    if (!x->head_done) {
        buffer_append(&x->head, bytes, length);
        http_exchange_advance_later(x);
        return true;
    }
    take_body(x, bytes, length);
    if (x->answered)
        http_exchange_advance_later(x);
    return true;
}

static void on_origin_eof(void *owner)
{
    struct http_exchange *x = owner;

    x->origin_eof = true;
    http_exchange_advance(x);
}

static void on_origin_closed(void *owner)
{
    struct http_exchange *x = owner;

    x->origin_eof = x->origin_gone = true;
    buffer_clear(&x->up);
    http_exchange_advance(x);
}

static void on_origin_writable(void *owner)
{
    http_exchange_advance(owner);
}

static void on_origin_failed(void *owner, const char *why)
{
    struct http_exchange *x = owner;

    if (x->ended && x->result.end == HTTP_EXCHANGE_KEPT) {
        http_exchange_close_origin(x, true);
        return;
    }
    if (x->head_done && !(x->answered && !x->upgraded)) {
        http_exchange_fail(x, 1, why);
        return;
    }
    x->origin_gone = x->origin_eof = true;
    x->origin_stays = false;
    buffer_clear(&x->up);
    if (x->answered)
        http_exchange_close_origin(x, true);
    else
        http_exchange_end_by_origin(x, why);
}

const struct endpoint_events http_exchange_origin_events = {
    .room = on_origin_room,
    .data = on_origin_data,
    .eof = on_origin_eof,
    .closed = on_origin_closed,
    .writable = on_origin_writable,
    .failed = on_origin_failed,
};

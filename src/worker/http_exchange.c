/* One HTTP request and its response: the beginning and the ends, and the request. */
#include "worker/http_exchange_parts.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How many bytes behind a request are kept: the next requests of a client that does not wait (RFC
 * 9112 section 9.3.2). */
#define NEXT_MAX (HTTP_HEAD_MAX + 4096)

/* Ends. */

static void exchange_free(struct http_exchange *x)
{
    later_cancel(x->loop, &x->turn);
    buffer_clear(&x->up);
    buffer_wipe(&x->next);
    buffer_clear(&x->head);
    buffer_clear(&x->down);
    free(x->why);
    free(x);
}

void http_exchange_close_origin(struct http_exchange *x, bool abort)
{
    endpoint_close(x->origin, abort);
    x->origin = NULL;
}

static void report_done(struct http_exchange *x)
{
    struct http_exchange_result *result = &x->result;

    /* (Behind its end the origin may have answered what was sent ahead.) */
    if (result->end == HTTP_EXCHANGE_KEPT &&
        (!x->origin_stays || (x->origin_eof && !http_exchange_is_ahead(x))))
        http_exchange_close_origin(x, false);
    result->client = x->client;
    result->origin = x->origin;
    result->from_client = &x->next;
    result->from_origin = &x->head;
    result->pipelines = x->pipelines;
    result->reason = x->why != NULL ? x->why : "closed";
    http_exchange_bytes(x, result->bytes);
    x->start.done(x->start.arg, result);
    exchange_free(x);
}

static void run_turn(struct later *turn)
{
    struct http_exchange *x = container_of(turn, struct http_exchange, turn);

    if (x->ended)
        report_done(x);
    else
        http_exchange_advance(x);
}

/* (What is due when a turn is under way already is done in it.) */
void http_exchange_advance_later(struct http_exchange *x)
{
    later_cancel(x->loop, &x->turn);
    later_post(x->loop, &x->turn, run_turn);
}

/* Both endpoints are left alone from here on, but for one that fails. */
void http_exchange_finish(struct http_exchange *x, enum http_exchange_end end)
{
    x->ended = true;
    x->result.end = end;
    http_exchange_advance_later(x);
}

static void close_both(struct http_exchange *x, bool abort, enum http_exchange_end end)
{
    http_exchange_close_origin(x, true);
    endpoint_close(x->client, abort);
    x->client = NULL;
    http_exchange_finish(x, end);
}

void http_exchange_set_why(struct http_exchange *x, const char *why)
{
    free(x->why);
    x->why = mem_strdup(why);
}

void http_exchange_fail(struct http_exchange *x, int side, const char *why)
{
    http_exchange_set_why(x, why);
    x->result.failed = side;
    close_both(x, true, HTTP_EXCHANGE_FAILED);
}

/* The client is told that nothing more comes; its connection is closed when it has taken all. */
void http_exchange_close(struct http_exchange *x)
{
    x->ending = true;
    http_exchange_close_origin(x, !x->answered);
    endpoint_write_eof(x->client);
    if (endpoint_is_draining(x->client))
        endpoint_resume(x->client);
    else
        close_both(x, false, HTTP_EXCHANGE_CLOSED);
}

/* An answer of adit's own takes the place of the response. */
void http_exchange_refuse(struct http_exchange *x, enum outcome outcome, const char *detail)
{
    char answer[HTTP_REPLY_MAX];
    const char *why = detail != NULL ? detail : outcome_row(outcome)->cause;

    http_exchange_set_why(x, why);
    x->result.outcome = outcome;
    buffer_clear(&x->head);
    endpoint_send(x->client, answer, http_reply(outcome, &x->target, detail, answer));
    http_exchange_close(x);
}

/* The request. */

bool http_exchange_flush(struct buffer *held, struct endpoint *to, uint64_t *count)
{
    size_t length = buffer_length(held);
    size_t taken;

    if (length == 0)
        return true;
    taken = endpoint_write(to, buffer_data(held), length);
    *count += taken;
    buffer_consume(held, taken);
    return taken == length;
}

/* Keeps bytes of the next requests. (Empty lines between requests mean nothing: RFC 9112 section
 * 2.2. Those of requests that were sent ahead are counted in `ahead`.) */
static void keep_next(struct http_exchange *x, const uint8_t *bytes, size_t length)
{
    while (buffer_length(&x->next) == 0 && x->ahead == 0 && length > 0 &&
           (*bytes == '\r' || *bytes == '\n')) {
        bytes++;
        length--;
    }
    buffer_append_secret(&x->next, bytes, length);
    loop_forget(x->loop, bytes, length);
}

/* Takes the request's bytes; those behind it are kept. */
static void take_request(struct http_exchange *x, const uint8_t *bytes, size_t length)
{
    bool bad = false;
    size_t part = http_body_take(&x->body, bytes, length, &bad);
    size_t taken = 0;

    if (!x->origin_gone && part > 0) {
        if (buffer_length(&x->up) == 0)
            taken = endpoint_write(x->origin, bytes, part);
        x->bytes[0] += taken;
        if (taken < part)
            buffer_append(&x->up, bytes + taken, part - taken);
    }
    if (bad)
        x->spoilt = true;
    else if (part < length)
        keep_next(x, bytes + part, length - part);
}

/* Whether the end of data that the client has sent is behind this request's, and nothing between.
 */
bool http_exchange_is_last(const struct http_exchange *x)
{
    return x->client_eof && buffer_length(&x->next) == 0;
}

/* Requests that go out ahead. */

bool http_exchange_is_ahead(const struct http_exchange *x)
{
    return x->ahead > 0;
}

/* RFC 9112 section 9.3.2. Before the response is known, nothing goes out behind a request that
 * could not be sent again with what followed it, or that could end the protocol. */
static bool may_send_ahead(const struct http_exchange *x)
{
    if (x->start.next == NULL || !x->pipelines || x->origin_gone || x->origin_eof ||
        endpoint_is_draining(x->origin) || buffer_length(&x->up) > 0 || !http_body_done(&x->body))
        return false;
    return x->head_done ? x->origin_stays && x->client_stays
                        : x->start.repeatable && !x->start.close && x->upgrade[0] == '\0';
}

/* Whether there may be a head behind those that were sent ahead which has not been looked at. */
static bool has_line(const struct http_exchange *x)
{
    size_t length = buffer_length(&x->next);
    size_t from = x->looked_at > x->ahead ? x->looked_at : x->ahead;

    return from < length && memchr(buffer_data(&x->next) + from, '\n', length - from) != NULL;
}

static void send_ahead(struct http_exchange *x)
{
    http_exchange_next_fn *next = x->start.next;

    while (may_send_ahead(x) && has_line(x)) {
        struct text rest = {(const char *)buffer_data(&x->next) + x->ahead,
                            buffer_length(&x->next) - x->ahead};
        struct buffer head = {0};
        size_t used = 0;

        switch (next(x->start.arg, rest, &head, &used)) {
        case WIRE_OK:
            endpoint_send(x->origin, buffer_data(&head), buffer_length(&head));
            x->ahead += used;
            break;
        case WIRE_MORE: x->looked_at = buffer_length(&x->next); break;
        case WIRE_BAD: x->start.next = NULL; break;
        }
        buffer_clear(&head);
    }
}

static void advance_request(struct http_exchange *x)
{
    if (!x->origin_gone && !http_exchange_flush(&x->up, x->origin, &x->bytes[0]))
        return;
    if (!x->client_eof)
        endpoint_resume(x->client);
    else if (http_exchange_is_last(x) && !x->eof_sent && !x->origin_gone) {
        x->eof_sent = true;
        endpoint_write_eof(x->origin);
    }
    send_ahead(x);
}

/* Does what can be done now, outside of `data`. */
void http_exchange_advance(struct http_exchange *x)
{
    if (x->ended)
        return;
    if (x->ending) {
        if (!endpoint_is_draining(x->client))
            close_both(x, false, HTTP_EXCHANGE_CLOSED);
    } else if (x->spoilt && !x->head_done) {
        http_exchange_refuse(x, OUTCOME_MALFORMED, "malformed chunked body");
    } else if (x->spoilt && !x->answered) {
        http_exchange_fail(x, 0, "malformed chunked body");
    } else {
        http_exchange_advance_response(x);
        if (!x->ended && !x->ending)
            advance_request(x);
    }
}

/* The client's events. */

static size_t on_asker_room(void *owner)
{
    struct http_exchange *x = owner;

    size_t kept = buffer_length(&x->next);

    if (x->ending)
        return LOOP_SCRATCH_SIZE;
    if (x->ended || x->spoilt)
        return 0;
    if (http_body_done(&x->body))
        return kept < NEXT_MAX ? NEXT_MAX - kept : 0;
    if (x->origin_gone)
        return LOOP_SCRATCH_SIZE;
    return buffer_length(&x->up) > 0 ? 0 : endpoint_room(x->origin);
}

static bool on_asker_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct http_exchange *x = owner;

    if (x->ending)
        return true;
    if (x->ended || x->spoilt ||
        (http_body_done(&x->body) ? buffer_length(&x->next) >= NEXT_MAX
                                  : buffer_length(&x->up) > 0))
        return false;
    take_request(x, bytes, length);
    if (x->spoilt || (buffer_length(&x->next) > 0 && may_send_ahead(x)))
        http_exchange_advance_later(x);
    return true;
}

static void on_asker_eof(void *owner)
{
    struct http_exchange *x = owner;

    x->client_eof = true;
    http_exchange_advance(x);
}

/* (After `ended` the endpoint tells its next owner.) */
static void on_asker_closed(void *owner)
{
    struct http_exchange *x = owner;

    x->client_eof = true;
    if (!x->ended)
        close_both(x, false, HTTP_EXCHANGE_CLOSED);
}

static void on_asker_writable(void *owner)
{
    http_exchange_advance(owner);
}

static void on_asker_failed(void *owner, const char *why)
{
    http_exchange_fail(owner, 0, why);
}

static const struct endpoint_events client_events = {
    .room = on_asker_room,
    .data = on_asker_data,
    .eof = on_asker_eof,
    .closed = on_asker_closed,
    .writable = on_asker_writable,
    .failed = on_asker_failed,
};

/* Beginning and end. */

/* Bytes of the response that came behind the one before. */
static void take_early_response(struct http_exchange *x, struct buffer *bytes)
{
    x->head = *bytes;
    *bytes = (struct buffer){0};
    x->bytes[1] = buffer_length(&x->head);
    x->heard = x->bytes[1] > 0;
}

struct http_exchange *http_exchange_new(struct loop *loop, const struct http_exchange_start *start)
{
    struct http_exchange *x = mem_zalloc(sizeof(*x));
    struct buffer early = *start->from_client;

    *start->from_client = (struct buffer){0};
    x->loop = loop;
    x->client = start->client;
    x->origin = start->origin;
    x->body = start->body;
    x->start = *start;
    x->target = *start->target;
    assert(start->upgrade.length <= HTTP_UPGRADE_MAX);
    memcpy(x->upgrade, start->upgrade.at != NULL ? start->upgrade.at : "", start->upgrade.length);
    endpoint_own(x->client, &client_events, x);
    endpoint_own(x->origin, &http_exchange_origin_events, x);
    x->pipelines = start->pipelines;
    if (start->sent) {
        x->ahead = start->ahead;
        x->bytes[0] = buffer_length(start->head);
        take_early_response(x, start->from_origin);
    } else {
        buffer_append(&x->up, buffer_data(start->head), buffer_length(start->head));
    }
    take_request(x, buffer_data(&early), buffer_length(&early));
    buffer_wipe(&early);
    http_exchange_advance_later(x);
    return x;
}

void http_exchange_abort(struct http_exchange *x)
{
    endpoint_close(x->origin, true);
    endpoint_close(x->client, true);
    exchange_free(x);
}

void http_exchange_bytes(const struct http_exchange *x, uint64_t bytes[static 2])
{
    memcpy(bytes, x->bytes, sizeof(x->bytes));
}

size_t http_exchange_held(const struct http_exchange *x)
{
    size_t held = buffer_length(&x->up) + buffer_length(&x->next) + buffer_length(&x->head) +
                  buffer_length(&x->down);

    if (x->ended)
        return held;
    return held + endpoint_held(x->client) + (x->origin != NULL ? endpoint_held(x->origin) : 0);
}

/* One HTTP request and its response, on their way between a relay and the client. */
#include "worker/http_exchange.h"

#include "base/buffer.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How many 1xx responses may come before the response proper; an HTTP server sends fewer. */
#define INTERIMS_MAX 32

struct http_exchange {
    struct endpoint outer;  /* what the relay sees */
    struct endpoint *inner; /* the client's */
    struct loop *loop;
    struct http_body body;
    struct wire_target target;
    struct buffer head; /* of the response, until it is whole */
    bool head_done;
    unsigned interims;   /* 1xx heads so far */
    bool refused;        /* the response was no HTTP: the rest of it is dropped */
    struct later ending; /* the relay is to be told of an end */
    struct later spoilt; /* the request's body is malformed */
};

static_assert(HTTP_HEAD_MAX + HTTP_RESPONSE_EXTRA + HTTP_REPLY_MAX <= ENDPOINT_MESSAGES_MAX,
              "a rewritten head and an answer behind it are messages");

static struct http_exchange *exchange_of(struct endpoint *endpoint)
{
    return container_of(endpoint, struct http_exchange, outer);
}

/* From the relay to the client. */

/* The client has gone; or the answer of our own went out, and nothing else will. */
static bool exchange_is_closed(const struct http_exchange *x)
{
    return x->inner->reported == ENDPOINT_CLOSED || (x->refused && !endpoint_is_draining(x->inner));
}

static void exchange_report_end(struct later *ending)
{
    struct http_exchange *x = container_of(ending, struct http_exchange, ending);

    if (exchange_is_closed(x) && x->outer.reported < ENDPOINT_CLOSED)
        endpoint_report_closed(&x->outer);
    else if (x->inner->reported == ENDPOINT_EOF && endpoint_owes_eof(&x->outer))
        endpoint_report_eof(&x->outer);
}

static void exchange_refuse(struct http_exchange *x)
{
    char answer[HTTP_REPLY_MAX];
    size_t length = http_reply(OUTCOME_BAD_RESPONSE, &x->target, NULL, answer);

    x->refused = true;
    x->head_done = true;
    buffer_clear(&x->head);
    endpoint_send(x->inner, answer, length);
    endpoint_write_eof(x->inner);
    if (!endpoint_is_draining(x->inner))
        later_post(x->loop, &x->ending, exchange_report_end);
}

static void send_head(struct http_exchange *x, const struct http_response *response)
{
    struct buffer rewritten = {0};
    uint8_t *out = buffer_reserve(&rewritten, response->head_length + HTTP_RESPONSE_EXTRA);

    buffer_commit(&rewritten, http_response_rewrite(response, buffer_data(&x->head), out));
    endpoint_send(x->inner, buffer_data(&rewritten), buffer_length(&rewritten));
    buffer_clear(&rewritten);
    buffer_clear(&x->head);
    x->head_done = !response->interim; /* after a 1xx another head follows */
}

/* Adds bytes to the response's head. Once it is whole the rewritten head goes to the client.
 * Returns how many of the bytes belong to the head. */
static size_t take_head(struct http_exchange *x, const uint8_t *bytes, size_t length)
{
    size_t before = buffer_length(&x->head);
    struct http_response response;

    buffer_append(&x->head, bytes, length);
    /* Only a whole line brings anything new. */
    if (memchr(bytes, '\n', length) == NULL && before + length < HTTP_HEAD_MAX)
        return length;
    switch (http_response_parse(buffer_data(&x->head), before + length, &response)) {
    case WIRE_MORE: return length;
    case WIRE_BAD: exchange_refuse(x); return length;
    case WIRE_OK: break;
    }
    if (response.interim && ++x->interims > INTERIMS_MAX) {
        exchange_refuse(x);
        return length;
    }
    send_head(x, &response);
    return response.head_length - before;
}

static size_t exchange_room(struct endpoint *endpoint)
{
    struct http_exchange *x = exchange_of(endpoint);

    return x->refused ? SIZE_MAX : endpoint_room(x->inner);
}

static size_t exchange_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct http_exchange *x = exchange_of(endpoint);
    size_t taken = 0;

    /* (A head that the client has not taken whole is not followed by another one.) */
    while (!x->head_done && taken < length && !endpoint_is_draining(x->inner))
        taken += take_head(x, bytes + taken, length - taken);
    if (x->refused)
        return length;
    if (taken == length || !x->head_done)
        return taken;
    return taken + endpoint_write(x->inner, bytes + taken, length - taken);
}

static void exchange_write_eof(struct endpoint *endpoint)
{
    struct http_exchange *x = exchange_of(endpoint);

    if (x->refused)
        return;
    if (x->head_done)
        endpoint_write_eof(x->inner);
    else
        exchange_refuse(x); /* the origin closed without a whole head */
}

static void exchange_resume(struct endpoint *endpoint)
{
    struct http_exchange *x = exchange_of(endpoint);

    if (x->inner->reported != ENDPOINT_NOT_ENDED || x->refused)
        later_post(x->loop, &x->ending, exchange_report_end);
    if (x->inner->reported == ENDPOINT_NOT_ENDED)
        endpoint_resume(x->inner);
}

static void exchange_close(struct endpoint *endpoint, bool abort)
{
    struct http_exchange *x = exchange_of(endpoint);

    later_cancel(x->loop, &x->ending);
    later_cancel(x->loop, &x->spoilt);
    endpoint_close(x->inner, abort || buffer_length(&endpoint->unsent) > 0);
    buffer_clear(&x->head);
    buffer_clear(&endpoint->unsent);
    free(x);
}

static bool exchange_is_draining(const struct endpoint *endpoint)
{
    return endpoint_is_draining(container_of(endpoint, struct http_exchange, outer)->inner);
}

static const struct endpoint_operations exchange_operations = {
    .room = exchange_room,
    .write = exchange_write,
    .write_eof = exchange_write_eof,
    .resume = exchange_resume,
    .close = exchange_close,
    .is_draining = exchange_is_draining,
};

/* From the client to the relay. */

static size_t inner_room(void *owner)
{
    struct http_exchange *x = owner;

    /* What follows the body is read and dropped, so that the client's end of data is still seen. */
    if (http_body_done(&x->body))
        return SIZE_MAX;
    return x->outer.resumed ? x->outer.events->room(x->outer.owner) : 0;
}

static void exchange_report_spoilt(struct later *spoilt)
{
    struct http_exchange *x = container_of(spoilt, struct http_exchange, spoilt);

    if (x->outer.reported != ENDPOINT_FAILED)
        endpoint_report_failed(&x->outer, "malformed chunked body");
}

static bool inner_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct http_exchange *x = owner;
    struct http_body before = x->body;
    bool bad = false;
    size_t part = http_body_take(&x->body, bytes, length, &bad);

    if (part > 0 && (!x->outer.resumed || !x->outer.events->data(x->outer.owner, bytes, part))) {
        x->body = before; /* the same bytes will come again */
        return false;
    }
    if (bad) /* (The client may be a channel, which must not be closed inside of this.) */
        later_post(x->loop, &x->spoilt, exchange_report_spoilt);
    return true;
}

/* The client may have ended while the relay's owner changes: the new owner will resume. */
static void inner_eof(void *owner)
{
    struct http_exchange *x = owner;

    if (endpoint_owes_eof(&x->outer))
        endpoint_report_eof(&x->outer);
}

static void inner_closed(void *owner)
{
    struct http_exchange *x = owner;

    if (x->outer.reported < ENDPOINT_CLOSED)
        endpoint_report_closed(&x->outer);
}

static void inner_writable(void *owner)
{
    struct http_exchange *x = owner;

    if (x->refused)
        later_post(x->loop, &x->ending, exchange_report_end);
    else
        endpoint_report_writable(&x->outer);
}

static void inner_failed(void *owner, const char *why)
{
    struct http_exchange *x = owner;

    if (x->outer.reported != ENDPOINT_FAILED)
        endpoint_report_failed(&x->outer, why);
}

static const struct endpoint_events inner_events = {
    .room = inner_room,
    .data = inner_data,
    .eof = inner_eof,
    .closed = inner_closed,
    .writable = inner_writable,
    .failed = inner_failed,
};

struct endpoint *http_exchange_new(struct loop *loop, struct endpoint *inner,
                                   const struct http_body *body, const struct wire_target *target)
{
    struct http_exchange *x = mem_zalloc(sizeof(*x));

    x->outer.operations = &exchange_operations;
    x->inner = inner;
    x->loop = loop;
    x->body = *body;
    x->target = *target;
    endpoint_own(inner, &inner_events, x);
    return &x->outer;
}

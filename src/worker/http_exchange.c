/* One HTTP request and its response, passing by. */
#include "worker/http_exchange.h"

#include "base/buffer.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* 1xx responses before the response proper; more are no HTTP server's. */
#define INTERIMS_MAX 32

struct http_exchange {
    struct endpoint outer; /* what the relay sees */
    struct endpoint *inner;
    struct loop *loop;
    struct http_body body;
    struct wire_target target;
    struct buffer head;    /* of the response, until it is whole */
    struct buffer pending; /* a rewritten head that the client did not take yet */
    bool head_done;
    bool eof_wanted;   /* write_eof came while something was pending */
    bool withheld;     /* the head's last byte, though it was looked at, will be offered again */
    unsigned interims; /* 1xx heads so far */
    bool refused;      /* the response was no HTTP: the rest of it is dropped */
    struct later ended;
    struct later spoilt; /* the request's body is malformed */
};

static struct http_exchange *of_outer(struct endpoint *endpoint)
{
    return container_of(endpoint, struct http_exchange, outer);
}

/* From the relay to the client. */

static void tell_closed(struct later *later)
{
    struct http_exchange *x = container_of(later, struct http_exchange, ended);

    x->outer.events->closed(x->outer.owner);
}

static void flush(struct http_exchange *x)
{
    size_t taken;

    if (buffer_length(&x->pending) == 0)
        return;
    taken = endpoint_write(x->inner, buffer_data(&x->pending), buffer_length(&x->pending));
    buffer_consume(&x->pending, taken);
    if (buffer_length(&x->pending) > 0)
        return;
    if (x->eof_wanted)
        endpoint_write_eof(x->inner);
    if (x->refused)
        later_post(x->loop, &x->ended, tell_closed);
}

static void refuse(struct http_exchange *x)
{
    char answer[HTTP_REPLY_MAX];
    size_t length = http_reply(OUTCOME_BAD_RESPONSE, &x->target, NULL, answer);

    x->refused = true;
    x->head_done = true;
    x->eof_wanted = true;
    buffer_clear(&x->head);
    buffer_append(&x->pending, answer, length);
    flush(x);
}

/* Adds bytes to the response's head; once it is whole the rewritten one goes to the client. Returns
 * how many were the head's. */
static size_t take_head(struct http_exchange *x, const uint8_t *bytes, size_t length)
{
    size_t before = buffer_length(&x->head);
    struct http_response response;
    uint8_t *out;

    buffer_append(&x->head, bytes, length);
    /* Only a whole line brings anything new. */
    if (memchr(bytes, '\n', length) == NULL && before + length < HTTP_HEAD_MAX)
        return length;
    switch (http_response_parse(buffer_data(&x->head), before + length, &response)) {
    case WIRE_MORE: return length;
    case WIRE_BAD: refuse(x); return length;
    case WIRE_OK: break;
    }
    if (response.interim && ++x->interims > INTERIMS_MAX) {
        refuse(x);
        return length;
    }
    out = buffer_reserve(&x->pending, response.head_length + HTTP_RESPONSE_EXTRA);
    buffer_commit(&x->pending, http_response_rewrite(&response, buffer_data(&x->head), out));
    buffer_clear(&x->head);
    x->head_done = !response.interim; /* after a 1xx another one follows */
    flush(x);
    return response.head_length - before;
}

static size_t exchange_room(struct endpoint *endpoint)
{
    struct http_exchange *x = of_outer(endpoint);

    if (x->refused)
        return SIZE_MAX;
    if (buffer_length(&x->pending) > 0)
        return 0; /* `writable` follows when the client takes it */
    return endpoint_room(x->inner);
}

/* While a rewritten head is pending its last byte counts as not taken, so that nobody thinks that
 * all is delivered. */
static size_t exchange_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct http_exchange *x = of_outer(endpoint);
    size_t taken = 0;

    flush(x);
    if (x->refused)
        return length;
    if (buffer_length(&x->pending) > 0)
        return 0;
    if (x->withheld)
        taken = 1;
    x->withheld = false;
    while (!x->head_done && taken < length) {
        taken += take_head(x, bytes + taken, length - taken);
        if (x->refused)
            return length;
        if (buffer_length(&x->pending) > 0) {
            x->withheld = true;
            return taken - 1;
        }
    }
    return taken == length ? taken
                           : taken + endpoint_write(x->inner, bytes + taken, length - taken);
}

static void exchange_write_eof(struct endpoint *endpoint)
{
    struct http_exchange *x = of_outer(endpoint);

    if (x->refused)
        return;
    if (!x->head_done) {
        refuse(x); /* the origin closed without a whole head */
        return;
    }
    x->eof_wanted = true;
    if (buffer_length(&x->pending) == 0)
        endpoint_write_eof(x->inner);
}

static void exchange_resume(struct endpoint *endpoint)
{
    endpoint_resume(of_outer(endpoint)->inner);
}

static void exchange_close(struct endpoint *endpoint, bool abort)
{
    struct http_exchange *x = of_outer(endpoint);

    later_cancel(x->loop, &x->ended);
    later_cancel(x->loop, &x->spoilt);
    endpoint_close(x->inner, abort);
    buffer_clear(&x->head);
    buffer_clear(&x->pending);
    free(x);
}

/* (An answer of our own is nothing that the relay has written.) */
static bool exchange_is_draining(const struct endpoint *endpoint)
{
    const struct http_exchange *x = container_of(endpoint, struct http_exchange, outer);

    return buffer_length(&x->pending) > 0;
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
    return http_body_done(&x->body) ? SIZE_MAX : x->outer.events->room(x->outer.owner);
}

static void tell_spoilt(struct later *later)
{
    struct http_exchange *x = container_of(later, struct http_exchange, spoilt);

    x->outer.events->failed(x->outer.owner, "malformed chunked body");
}

static bool inner_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct http_exchange *x = owner;
    bool bad = false;
    size_t part = http_body_take(&x->body, bytes, length, &bad);

    if (part > 0 && !x->outer.events->data(x->outer.owner, bytes, part))
        return false;
    if (bad) /* (The client may be a channel, which must not be closed inside of this.) */
        later_post(x->loop, &x->spoilt, tell_spoilt);
    return true;
}

static void inner_eof(void *owner)
{
    struct http_exchange *x = owner;

    x->outer.events->eof(x->outer.owner);
}

static void inner_closed(void *owner)
{
    struct http_exchange *x = owner;

    buffer_clear(&x->pending); /* nobody takes it any more */
    x->outer.events->closed(x->outer.owner);
}

static void inner_writable(void *owner)
{
    struct http_exchange *x = owner;

    flush(x);
    if (buffer_length(&x->pending) == 0 && !x->refused)
        x->outer.events->writable(x->outer.owner);
}

static void inner_failed(void *owner, const char *why)
{
    struct http_exchange *x = owner;

    x->outer.events->failed(x->outer.owner, why);
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
    x->outer.gathers = inner->gathers;
    x->inner = inner;
    x->loop = loop;
    x->body = *body;
    x->target = *target;
    endpoint_own(inner, &inner_events, x);
    return &x->outer;
}

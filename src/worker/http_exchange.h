/* One plain HTTP request and its response, between a client and an origin. Both connections may
 * serve further requests: an exchange knows where the messages end (RFC 9112 section 6), passes
 * nothing beyond them, and gives the connections that may go on back to its owner.
 *
 * A client need not wait for a response before it asks again. The requests behind the exchange's
 * own may go out ahead on the same connection to the origin (RFC 9112 section 9.3.2), if the owner
 * says so: see http_exchange_next_fn. Each of them has an exchange of its own all the same, one
 * after another, which begins with the head sent already (`sent`).
 *
 *   what happens                       what the exchange does
 *   ---------------------------------  ---------------------------------------------------------
 *   the request's head and body        to the origin; bytes behind them are kept, for the owner
 *   a response's head                  rewritten, to the client; its body follows as it comes
 *   101 that was asked for             ends: the owner joins both by a relay
 *   101 that was not asked for, or     502 to the client, whose connection is closed
 *     no HTTP
 *   the response is whole              ends; the client's connection stays if the request is whole,
 *                                      and the head of the response has promised nothing else
 *   bytes behind the response          the next response's, if requests went out ahead; else the
 *                                      origin's connection is closed
 *   the client's end of data           behind the request's: to the origin, and no more requests
 *   the origin's end before a          502; but by a kept connection the request may be sent again
 *     response                         if it is repeatable, and else the client's connection is
 *                                      closed without a word (RFC 9110 section 9.2.2)
 *   either has failed                  cuts both
 *
 * On the client's worker. */
#ifndef ADIT_WORKER_HTTP_EXCHANGE_H
#define ADIT_WORKER_HTTP_EXCHANGE_H

#include "io/endpoint.h"
#include "io/loop.h"
#include "wire/http.h"

enum http_exchange_end {
    HTTP_EXCHANGE_KEPT,     /* the client may ask again */
    HTTP_EXCHANGE_UPGRADED, /* both speak another protocol from here on */
    HTTP_EXCHANGE_STALE,    /* the kept connection was closed: the request can be asked again */
    HTTP_EXCHANGE_CLOSED,   /* it has ended in order */
    HTTP_EXCHANGE_FAILED,   /* it was cut */
};

/* How an exchange ended. */
struct http_exchange_result {
    enum http_exchange_end end;
    enum outcome outcome;       /* OUTCOME_OK, or what the client was told instead of a response */
    struct endpoint *client;    /* kept, upgraded, stale: the owner's again; else NULL */
    struct endpoint *origin;    /* upgraded, or kept and fit for another request; else NULL */
    struct buffer *from_client; /* bytes behind the request, to be taken out */
    /* To be taken out. Upgraded: bytes behind the 101. Kept: bytes that answer the requests that
     * went out ahead. */
    struct buffer *from_origin;
    bool pipelines;     /* the origin's connection has shown that requests may follow one another */
    uint64_t bytes[2];  /* that the origin took, and that came from it */
    int failed;         /* HTTP_EXCHANGE_FAILED: 0: the client, 1: the origin */
    const char *reason; /* why it ended, valid during the call */
};

typedef void http_exchange_done_fn(void *arg, const struct http_exchange_result *result);

/* Asked when the head of the response goes out: whether the client's connection may stay. */
typedef bool http_exchange_stays_fn(void *arg);

/* Asked for the request that begins with these bytes, which came behind the exchange's own: whether
 * it may go out now, before its turn. Called outside of `data`, when the origin has shown HTTP/1.1
 * and a connection that stays, and not behind a request whose response is not known to leave it so.
 * WIRE_OK: the head for the origin was appended to `head`, and the request has `*used` of the
 * bytes. WIRE_MORE: it has not come whole. WIRE_BAD: it may not, and none behind it either, as far
 * as this exchange goes. */
typedef enum wire_status http_exchange_next_fn(void *arg, struct text bytes, struct buffer *head,
                                               size_t *used);

/* What an exchange begins with. */
struct http_exchange_start {
    struct endpoint *client;
    struct endpoint *origin;
    const struct buffer *head;        /* of the request, as the origin gets it; copied */
    struct buffer *from_client;       /* bytes that came behind it; taken out */
    struct http_body body;            /* of the request, none of which was taken from them */
    const struct wire_target *target; /* named in answers of adit's own; copied */
    struct text upgrade;              /* the protocols that were asked for; copied */
    bool old;                         /* the client speaks HTTP/1.0, and gets no 1xx */
    bool is_head;                     /* the method is HEAD */
    bool close;                       /* the client's connection does not stay */
    bool kept;                        /* the origin's connection has served other requests */
    bool repeatable;                  /* the request can be sent twice */
    bool pipelines;                   /* as in the result of the exchange before */
    bool sent;                        /* the head went out ahead: it is not sent again, and: */
    struct buffer *from_origin;       /* the beginning of the response; taken out */
    size_t ahead;                     /* so much of from_client went out ahead, too */
    http_exchange_next_fn *next;      /* NULL: no request goes out ahead */
    http_exchange_stays_fn *stays;
    http_exchange_done_fn *done; /* called once, as the last thing; never from inside _new */
    void *arg;
};

struct http_exchange;

/* Takes both endpoints over and starts. */
struct http_exchange *http_exchange_new(struct loop *loop, const struct http_exchange_start *start);

/* Aborts both endpoints now and frees the exchange. `done` is not called. */
void http_exchange_abort(struct http_exchange *exchange);

/* Bytes carried so far, as in the result. */
void http_exchange_bytes(const struct http_exchange *exchange, uint64_t bytes[static 2]);

/* Bytes that are kept in memory: those that the client or the origin does not take, those of the
 * client's next requests, and those of a response that came before they were asked for. */
size_t http_exchange_held(const struct http_exchange *exchange);

#endif

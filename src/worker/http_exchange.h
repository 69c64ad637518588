/* One plain HTTP request and its response, between a client and an origin. Both connections may
 * serve further requests: an exchange knows where the messages end (RFC 9112 section 6), passes
 * nothing beyond them, and gives the connections that may go on back to its owner.
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
    struct buffer *from_origin; /* upgraded: bytes behind the 101, to be taken out */
    uint64_t bytes[2];          /* that the origin took, and that came from it */
    int failed;                 /* HTTP_EXCHANGE_FAILED: 0: the client, 1: the origin */
    const char *reason;         /* why it ended, valid during the call */
};

typedef void http_exchange_done_fn(void *arg, const struct http_exchange_result *result);

/* Asked when the head of the response goes out: whether the client's connection may stay. */
typedef bool http_exchange_stays_fn(void *arg);

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

#endif

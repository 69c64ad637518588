/* The inside of an exchange, for the files that share the work on it:
 *
 *   http_exchange.c           its beginning and its ends, the request, the client's events
 *   http_exchange_response.c  the response, the origin's events
 *
 * Inside `data`, which may be called from inside a libssh callback, an exchange writes to the other
 * endpoint or keeps bytes. What else follows is done by http_exchange_advance: later in the same
 * turn, or at once from the other events. */
#ifndef ADIT_WORKER_HTTP_EXCHANGE_PARTS_H
#define ADIT_WORKER_HTTP_EXCHANGE_PARTS_H

#include "base/buffer.h"
#include "worker/http_exchange.h"

struct http_exchange {
    struct loop *loop;
    struct endpoint *client;
    struct endpoint *origin; /* NULL: it was closed before the client */
    struct later turn;

    /* The request. */
    struct http_body body;
    struct buffer up;   /* what the origin has still to take of it */
    struct buffer next; /* what came behind it, of which: */
    size_t ahead;       /* these bytes are requests that were sent to the origin ahead */
    size_t looked_at;   /* up to here there was no whole head behind those */
    bool spoilt;        /* its body is malformed */
    bool client_eof;
    bool origin_gone; /* it takes nothing more */
    bool eof_sent;    /* to the origin */

    /* The response. */
    struct buffer head; /* as far as it has come; of a 101: what came behind it; with requests
                           ahead: what came behind the whole response */
    struct http_progress progress;
    struct http_body answer;
    struct buffer down; /* what the client has still to take of the body */
    unsigned interims;  /* 1xx heads so far */
    bool heard;         /* a byte of it has come */
    bool head_done;
    bool answered; /* it is whole, or nothing more will come of it */
    bool upgraded;
    bool origin_eof;
    bool origin_stays; /* the origin's connection may serve another request */
    bool pipelines;    /* it speaks HTTP/1.1, and served a request after which it stayed */
    bool client_stays; /* the client was not told that its connection closes */

    bool ending; /* the client has still to take what it was told */
    bool ended;  /* `done` is due */
    struct http_exchange_result result;
    char *why; /* NULL: "closed" */
    struct http_exchange_start start;
    struct wire_target target;
    char upgrade[HTTP_UPGRADE_MAX + 1];
    uint64_t bytes[2];
};

extern const struct endpoint_events http_exchange_origin_events;

/* Does what can be done now, outside of `data`; and the same later in this turn. */
void http_exchange_advance(struct http_exchange *exchange);
void http_exchange_advance_later(struct http_exchange *exchange);

/* The response's part of it. */
void http_exchange_advance_response(struct http_exchange *exchange);

/* The origin was cut, or has ended; `why` is NULL where there are no words for it. */
void http_exchange_end_by_origin(struct http_exchange *exchange, const char *why);

/* Writes what is held and adds to `*count` what was taken. False: some is still held. */
bool http_exchange_flush(struct buffer *held, struct endpoint *to, uint64_t *count);

/* Whether the end of data that the client has sent is behind this request, and nothing between. */
bool http_exchange_is_last(const struct http_exchange *exchange);

/* Whether requests behind this one were sent to the origin. */
bool http_exchange_is_ahead(const struct http_exchange *exchange);

/* Ends. `done` follows later in this turn. */

/* Both endpoints are left alone from here on, but for one that fails. */
void http_exchange_finish(struct http_exchange *exchange, enum http_exchange_end end);

/* Both are cut; `side` is 0 for the client. */
void http_exchange_fail(struct http_exchange *exchange, int side, const char *why);

/* The client is told that nothing more comes; its connection is closed when it has taken all. */
void http_exchange_close(struct http_exchange *exchange);

/* An answer of adit's own takes the place of the response. */
void http_exchange_refuse(struct http_exchange *exchange, enum outcome outcome, const char *detail);

void http_exchange_close_origin(struct http_exchange *exchange, bool abort);
void http_exchange_set_why(struct http_exchange *exchange, const char *why);

#endif

/* Joins two endpoints: what comes out of one goes into the other, with exact half-close.
 *
 *   event of a    what the relay does
 *   ------------  ----------------------------------------------------------------------------
 *   data          writes to b; what b does not take is held, and a is paused until b took it
 *   eof           once nothing is held: writes the end of data to b; b's data still flows to a
 *   closed        as eof; and what b still sends is dropped
 *   failed        aborts both endpoints at once
 *   eof of both   closes both endpoints, once neither is draining
 *
 * The same holds for b. A relay belongs to the thread of its loop. */
#ifndef ADIT_IO_RELAY_H
#define ADIT_IO_RELAY_H

#include "base/buffer.h"
#include "io/endpoint.h"
#include "io/loop.h"

/* How a relay ended. */
struct relay_result {
    uint64_t bytes[2];  /* that an endpoint took; [0]: from a to b, [1]: from b to a */
    const char *reason; /* "closed", or the words of the failure; static or valid during the call */
    int failed;         /* -1: nothing failed; 0: a, 1: b */
};

typedef void relay_done_fn(void *arg, const struct relay_result *result);

struct relay;

/* What a relay begins with. */
struct relay_start {
    struct endpoint *a;
    struct endpoint *b;
    /* Bytes that were read from a, and from b, before. They go to the other endpoint ahead of all
     * that still comes, and count in the result. NULL: none. Copied. */
    const struct buffer *early_a;
    const struct buffer *early_b;
    /* The relay goes on after the end of data both ways, until b has closed or something has
     * failed: b still has something to say, besides bytes. */
    bool until_b_closed;
    /* Called once, when both endpoints are closed, as the last thing that the relay does; never
     * from inside relay_new. */
    relay_done_fn *done;
    void *arg;
};

/* Takes both endpoints over and starts. An end that an endpoint has reported to its former owner is
 * reported to the relay again. Messages that an endpoint keeps (endpoint_send) go out first, and do
 * not count in the result. */
struct relay *relay_new(struct loop *loop, const struct relay_start *start);

/* Aborts both endpoints now and frees the relay. `done` is not called. */
void relay_abort(struct relay *relay);

/* Bytes carried so far, as in the result. */
void relay_bytes(const struct relay *relay, uint64_t bytes[static 2]);

/* Bytes that are kept in memory because an endpoint does not take them. */
size_t relay_held(const struct relay *relay);

#endif

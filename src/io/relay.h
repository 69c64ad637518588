/* Joins two endpoints: what comes out of one goes into the other, with exact half-close.
 *
 *   a relays to b      what the relay does
 *   -----------------  ------------------------------------------------------------------
 *   data               into b; what b does not take is held, and a paused until b took it
 *   eof                once nothing is held: write_eof to b; b's own data still flows to a
 *   closed             as eof; and what b still sends has nowhere to go: dropped
 *   failed             both ends are aborted at once
 *   eof both ways      both ends are closed
 */
#ifndef ADIT_IO_RELAY_H
#define ADIT_IO_RELAY_H

#include "base/buffer.h"
#include "io/endpoint.h"
#include "io/loop.h"

/* How a relay ended. */
struct relay_result {
    uint64_t bytes[2];  /* [0]: from a to b, [1]: from b to a */
    const char *reason; /* "closed", or the words of the failure; static or valid during the call */
    int failed;         /* -1: nothing failed; 0: a, 1: b */
};

struct relay;

/* What a relay begins with. */
struct relay_start {
    struct endpoint *a;
    struct endpoint *b;
    /* Bytes that a sent before, which go to b ahead of all others; NULL: none. Copied. */
    const struct buffer *to_b;
    /* What the owner itself wrote to a and a has not taken yet (the rest of a reply): it goes to a
     * ahead of all bytes of b, and is not counted in the result. NULL: none. Copied. */
    const struct buffer *to_a;
    bool a_eof; /* a's end of data was seen already */
    /* Called once, when both endpoints are closed, as the relay's last act; never from inside
     * relay_new. */
    void (*done)(void *arg, const struct relay_result *result);
    void *arg;
};

/* Takes both endpoints and starts. Neither may have reported `closed` before: nothing is left to be
 * relayed then. */
struct relay *relay_new(struct loop *loop, const struct relay_start *start);

/* Cuts both ends now; `done` is not called. */
void relay_abort(struct relay *relay);

/* Bytes carried so far, as in the result. */
void relay_bytes(const struct relay *relay, uint64_t bytes[static 2]);

#endif

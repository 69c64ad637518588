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

#include "io/endpoint.h"
#include "io/loop.h"

/* How a relay ended. */
struct relay_result {
    uint64_t bytes[2];  /* [0]: from a to b, [1]: from b to a */
    const char *reason; /* "closed", or the words of the failure; static or valid during the call */
    int failed;         /* -1: nothing failed; 0: a, 1: b */
};

struct relay;

/* Takes both endpoints and starts. `early` (length may be 0) are bytes that a said before and that
 * go to b first; they are copied. `a_eof`: a's end of data was seen already. `done` is called once,
 * when both endpoints are closed, as the relay's last act; never from inside this call. */
struct relay *relay_new(struct loop *loop, struct endpoint *a, struct endpoint *b,
                        const uint8_t *early, size_t early_length, bool a_eof,
                        void (*done)(void *arg, const struct relay_result *result), void *arg);

/* Cuts both ends now; `done` is not called. */
void relay_abort(struct relay *relay);

/* Bytes carried so far, as in the result. */
void relay_bytes(const struct relay *relay, uint64_t bytes[static 2]);

#endif

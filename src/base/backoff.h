/* How long to wait before something that failed is tried again. Pure; any thread. Used by
 * gateway/host_backoff (dials) and gateway/forwards (refused remote forwards). */
#ifndef ADIT_BASE_BACKOFF_H
#define ADIT_BASE_BACKOFF_H

#include <stdint.h>

struct backoff_bounds {
    uint64_t first_ms; /* the wait after the first failure; each further failure doubles it */
    uint64_t longest_ms;
    /* How much of a wait is left to chance, in percent: with 50 a wait is between half of it and
     * all. So those that lost the same server do not come back at the same moment. */
    unsigned jitter_percent;
};

/* Milliseconds to wait when there were `failures` in a row before this one. `random` is any number,
 * which decides where in its range the wait lies. */
uint64_t backoff_wait(const struct backoff_bounds *bounds, unsigned failures, uint32_t random);

/* A number for backoff_wait (getrandom(2), without waiting); 0 where the kernel has none yet. Not
 * for secrets. */
uint32_t backoff_random(void);

#endif

/* Exponential backoff with jitter. */
#include "base/backoff.h"

#include <sys/random.h>

uint64_t backoff_wait(const struct backoff_bounds *bounds, unsigned failures, uint32_t random)
{
    uint64_t wait = bounds->first_ms;
    uint64_t chance;

    for (unsigned i = 0; i < failures && wait < bounds->longest_ms; i++)
        wait *= 2;
    if (wait > bounds->longest_ms)
        wait = bounds->longest_ms;
    chance = wait * bounds->jitter_percent / 100;
    return wait - chance + random % (chance + 1);
}

uint32_t backoff_random(void)
{
    uint32_t random;

    return getrandom(&random, sizeof(random), GRND_NONBLOCK) == sizeof(random) ? random : 0;
}

/* clock_gettime(2) with a monotonic clock that tests move. */
#include "test_clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The clock's milliseconds. (Not 0: that is the time of nothing yet.) */
static _Atomic uint64_t monotonic_ms = 1000000;

/* In place of the C library's, for this program and its libraries. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    uint64_t ms = atomic_load(&monotonic_ms);

    if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, id, now);
    now->tv_sec = (time_t)(ms / 1000);
    now->tv_nsec = (long)(ms % 1000) * 1000000;
    return 0;
}

void clock_skip(struct loop *loop, uint64_t milliseconds)
{
    uint64_t before;

    uv_update_time(loop_uv(loop));
    before = loop_now(loop);
    atomic_fetch_add(&monotonic_ms, milliseconds);
    uv_update_time(loop_uv(loop));
    /* (Where libuv reads another clock, no test can be believed.) */
    if (loop_now(loop) != before + milliseconds)
        abort();
}

/* clock_gettime(2) with time that tests have skipped. */
#include "test_clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t skipped_ms;

/* In place of the C library's, for this program and its libraries. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, id, now);
    uint64_t skipped = atomic_load(&skipped_ms);

    if (failed != 0 || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE))
        return (int)failed;
    now->tv_sec += (time_t)(skipped / 1000);
    now->tv_nsec += (long)(skipped % 1000) * 1000000;
    if (now->tv_nsec >= 1000000000) {
        now->tv_sec++;
        now->tv_nsec -= 1000000000;
    }
    return 0;
}

void clock_skip(struct loop *loop, uint64_t milliseconds)
{
    uint64_t before;

    uv_update_time(loop_uv(loop));
    before = loop_now(loop);
    atomic_fetch_add(&skipped_ms, milliseconds);
    uv_update_time(loop_uv(loop));
    /* (Where libuv reads another clock, no test can be believed.) */
    if (loop_now(loop) < before + milliseconds)
        abort();
}

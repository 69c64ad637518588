/* Time that stands still and passes when a test says so: a test that needs minutes takes none, and
 * nothing falls due because the machine is slow.
 *
 * test_clock.c stands before clock_gettime(2), which libuv's loops read. The time of day goes on.
 */
#ifndef ADIT_T_TEST_CLOCK_H
#define ADIT_T_TEST_CLOCK_H

#include "io/loop.h"

/* So much time has passed for every loop of this process; what fell due meanwhile happens when a
 * loop turns next. `loop` knows it at once: what is armed from now on counts from there. */
void clock_skip(struct loop *loop, uint64_t milliseconds);

#endif

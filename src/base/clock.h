/* The clock for limits of time. */
#ifndef ADIT_BASE_CLOCK_H
#define ADIT_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC, which no clock change moves (clock_gettime(2)). A thread with a
 * loop uses loop_now, which costs nothing. Any thread. */
uint64_t clock_now(void);

/* The same in microseconds: for what is shorter than a millisecond. */
uint64_t clock_now_us(void);

#endif

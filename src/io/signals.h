/* Signals as events of a loop: blocked in every thread and taken by signalfd(2), so that a flood of
 * signals cannot keep the loop from its work, and none is handled in the middle of something else.
 * Main thread. */
#ifndef ADIT_IO_SIGNALS_H
#define ADIT_IO_SIGNALS_H

#include "io/loop.h"

#include <stddef.h>

/* Blocks the signals for the calling thread and those that it will start: call it before there are
 * threads. They stay blocked for the life of the process. */
void signals_hold(const int *numbers, size_t count);

typedef void signal_caught_fn(void *arg, int number);

struct signals;

/* Calls `caught` for each signal, first for those that came since signals_hold. NULL: no descriptor
 * (logged). `caught` may free the signals. */
struct signals *signals_new(struct loop *loop, const int *numbers, size_t count,
                            signal_caught_fn *caught, void *arg);

/* Ends the calls. NULL is fine. */
void signals_free(struct signals *signals);

#endif

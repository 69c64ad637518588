/* Whether a thread's loop still turns. The main thread asks once a second, and the thread answers
 * from its loop. */
#ifndef ADIT_SHARED_HEARTBEAT_H
#define ADIT_SHARED_HEARTBEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zeroed at first. All but `answered` is the main thread's. */
struct heartbeat {
    atomic_bool answered;
    bool asked;
    bool stalled;      /* (logged) */
    unsigned ticks;    /* without an answer */
    uint64_t asked_at; /* ms */
};

/* To be called by the main thread once a second with its clock, in ms: true if the thread is to be
 * asked now (then it calls heartbeat_answer). Logs when a loop has stood still for 5 s, and when it
 * turns again; `index` is the worker's number. Seconds in which the main thread itself stood still
 * do not count. */
bool heartbeat_tick(struct heartbeat *heartbeat, unsigned index, uint64_t now);

/* On the thread that was asked. */
void heartbeat_answer(struct heartbeat *heartbeat);

#endif

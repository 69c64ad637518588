/* Counters, one set for each thread: written by the owning thread only, read by any, without locks.
 */
#ifndef ADIT_SHARED_METRICS_H
#define ADIT_SHARED_METRICS_H

#include "session/login.h"
#include "wire/outcome.h"

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t metric;

struct metrics {
    metric accepted;           /* connections that came in */
    metric outcomes[OUTCOMES]; /* how their requests ended, by enum outcome */
    metric limited;            /* connections and requests refused by limits */
    metric cut;                /* relays that did not end by the end of data both ways */
    metric bytes_up;           /* from clients */
    metric bytes_down;         /* to clients */
    metric channels;           /* opened */
    metric retries;            /* unconfirmed channels opened again on another session */
    metric moves;              /* clients that moved to the worker that drives the session */
    metric sessions_up;        /* sessions that came up */
    metric sessions_lost;
    metric dials[DIAL_STATUSES]; /* by enum dial_status */
    metric dials_unreachable;    /* no address, or no connection */
    metric names_found, names_missing, names_failed, names_timed_out; /* look-ups, answered */
    metric names_cached; /* of these, known from an earlier answer */
    metric names_asked;  /* that DNS servers were asked for */
};

/* By the owning thread. */
static inline void metric_add(metric *m, uint64_t amount)
{
    atomic_store_explicit(m, atomic_load_explicit(m, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static inline void metric_set(metric *m, uint64_t value)
{
    atomic_store_explicit(m, value, memory_order_relaxed);
}

static inline uint64_t metric_get(const metric *m)
{
    return atomic_load_explicit(m, memory_order_relaxed);
}

/* Adds one set to a sum that belongs to the caller. */
void metrics_sum(struct metrics *sum, const struct metrics *part);

/* Logs the counters that are not zero, at info. */
void metrics_log(const struct metrics *sum);

/* Calls `each` for every counter, group by group, with the names that it has in the log. */
typedef void metrics_each_fn(void *arg, const char *group, const char *name, uint64_t value);
void metrics_each(const struct metrics *metrics, metrics_each_fn *each, void *arg);

/* Calls `each` for every counter, in the same order, with what it counts, for the manual. */
typedef void metrics_describe_fn(void *arg, const char *group, const char *name, const char *help);
void metrics_describe(metrics_describe_fn *each, void *arg);

#endif

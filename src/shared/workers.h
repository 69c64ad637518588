/* The room shared/ knows what the threads of a gateway share: sessions in use, generations of the
 * configuration, counters, messages to the main thread. Workers and the main thread call it.
 *
 * What all threads of a gateway share: the list of workers, counters that every thread may read,
 * and the way to the main thread. The main thread makes it before it starts the workers and frees
 * it after they have ended. */
#ifndef ADIT_SHARED_WORKERS_H
#define ADIT_SHARED_WORKERS_H

#include "io/mailbox.h"

#include <stdatomic.h>
#include <stdbool.h>

struct limit_counts;
struct label_names;
struct main_events;
struct worker;

struct workers {
    struct worker **all;
    unsigned count;
    struct limit_counts *limits;           /* NULL: there are none (tests) */
    struct label_names *labels;            /* the main thread's; NULL: there are none (tests) */
    struct mailbox *main_mailbox;          /* of the main thread; shared/main_messages posts */
    const struct main_events *main_events; /* what the main thread does with each message */
    atomic_uint clients;                   /* connections under way, on all workers */
    atomic_ullong held_max;    /* bytes that may be held for clients that do not read; 0: any */
    atomic_uint next_worker;   /* whose turn it is where no worker has a session */
    atomic_ullong connections; /* the number that was given to a connection last */
    /* The serial of the newest generation whose accept duties were all sent it. A connection that
     * an accept duty with an older generation accepts waits until that duty has read its message.
     */
    atomic_ullong serial;
    atomic_bool draining;
    /* Makes a service line with the keeper (shared/service.h) and returns this process's end, -1:
     * none can be had. Main thread; NULL: there is no keeper (tests). */
    int (*open_service)(struct workers *workers);
    /* Called on a worker's thread whenever a connection has ended while `draining` is set. */
    void (*client_gone)(struct workers *workers);
};

/* A connection that was counted in `clients` has ended. On any thread. */
static inline void workers_client_gone(struct workers *workers)
{
    atomic_fetch_sub(&workers->clients, 1);
    if (atomic_load(&workers->draining))
        workers->client_gone(workers);
}

/* A number for a connection that begins; the first is 1. On any thread. */
static inline unsigned long long workers_number(struct workers *workers)
{
    return atomic_fetch_add(&workers->connections, 1) + 1;
}

#endif

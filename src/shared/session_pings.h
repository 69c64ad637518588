/* How long the way to a session's server and back is, measured now. The code is worker/ping.c. */
#ifndef ADIT_SHARED_SESSION_PINGS_H
#define ADIT_SHARED_SESSION_PINGS_H

#include "shared/session_table.h"
#include "shared/workers.h"

/* Called once, on the main thread: `failure` NULL, and how long it took; else why that is not
 * known (valid during the call). */
typedef void session_pinged_fn(void *arg, const char *failure, uint64_t microseconds);

/* Measures it on the session of a slot that is up; main thread only. There is an answer within
 * about ten seconds, never from inside this call. */
void workers_send_ping(struct workers *workers, struct session_table *table, int slot,
                       session_pinged_fn *done, void *arg);

#endif

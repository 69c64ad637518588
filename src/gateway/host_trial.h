/* A trial of one host of an upstream, for -O try and --try: a dial of its own, which takes the way
 * of every dial, and a channel that says whether the server forwards. The sessions of the pool, and
 * the waits of its dials, are left alone. Main thread only. */
#ifndef ADIT_GATEWAY_HOST_TRIAL_H
#define ADIT_GATEWAY_HOST_TRIAL_H

#include "gateway/pool.h"

#include <jansson.h>

struct host_trial;

/* Called once, never from inside host_trial_start: with what was seen, as adit(8) describes it
 * (CONTROL SOCKET, try), which is the callee's. The trial is gone. */
typedef void host_trial_done_fn(void *arg, json_t *seen);

struct host_trial_request {
    struct pool_room *room;
    struct config *config; /* referenced until the trial has ended */
    const struct config_upstream *upstream;
    size_t index; /* of the host, where the configuration names it, */
    /* ... and where SRV records do: the host, how many they name, and which of them it is (from 1
     * on); or why there is none, which is then all that is seen. Needed during host_trial_start
     * only. NULL: the configuration names the host. */
    const struct target *srv;
    size_t srv_count, srv_number;
    const char *srv_wrong;
    const struct config_place *target; /* where a channel is to lead; NULL: any place will do; lasts
                                          as long as the trial */
    host_trial_done_fn *done;
    void *arg;
};

/* The request is copied. */
struct host_trial *host_trial_start(const struct host_trial_request *request);

/* `done` will not be called. NULL is fine. */
void host_trial_cancel(struct host_trial *trial);

#endif

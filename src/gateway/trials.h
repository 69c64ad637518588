/* Trials of all hosts of some upstreams (gateway/host_trial.h), a few at a time. Main thread only.
 */
#ifndef ADIT_GATEWAY_TRIALS_H
#define ADIT_GATEWAY_TRIALS_H

#include "gateway/pool.h"

#include <jansson.h>

struct trials;

/* What was seen of one host, in the order in which they are tried; borrowed. */
typedef void trials_seen_fn(void *arg, const json_t *seen);

/* Called once, never from inside trials_start: {"ok": true, "well": ..., "tries": [...]}, which is
 * the callee's. The trials are gone. */
typedef void trials_done_fn(void *arg, json_t *answer);

struct trials_request {
    struct pool_room *room;
    struct config *config;
    const struct string_list *upstreams; /* names of those to be tried, and jump hosts before them;
                                            none: all. Copied */
    const struct config_place *target;   /* as host_trial_request's */
    trials_seen_fn *seen;                /* NULL: nobody asks before all is done */
    trials_done_fn *done;
    void *arg;
};

/* The first name that is none of the configuration's upstreams; NULL: each is one. */
const char *trials_unknown(const struct config *config, const struct string_list *upstreams);

/* The request is copied; its names must be known. */
struct trials *trials_start(const struct trials_request *request);

/* Nothing will be called. NULL is fine. */
void trials_cancel(struct trials *trials);

#endif

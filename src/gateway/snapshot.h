/* The state of a running gateway: as JSON for the control socket, as lines for the log, in a few
 * words for the service manager. Main thread only; nothing here waits. */
#ifndef ADIT_GATEWAY_SNAPSHOT_H
#define ADIT_GATEWAY_SNAPSHOT_H

#include "gateway/forwards.h"
#include "gateway/gateway.h"

#include <jansson.h>

/* All of it, as adit(8) describes the answer to -O status; the caller's. */
json_t *status_json(const struct gateway *gateway);

/* What is known of the connection of each session, as the answer to -O conninfo; the caller's. */
json_t *status_connections(const struct gateway *gateway);

/* What there is now, for gateway/history. */
struct history_sample;
void status_sample(const struct gateway *gateway, struct history_sample *sample);

/* Adds all workers' counters, and the main thread's, to a sum. */
struct metrics;
void status_metrics(const struct gateway *gateway, struct metrics *sum);

/* How a forward of the configuration in use does, whatever its kind: those that listen here are
 * FORWARD_UP or FORWARD_DEGRADED. */
void status_forward(const struct gateway *gateway, const struct config_forward *forward,
                    struct forward_status *status);

/* At info. */
void status_log(const struct gateway *gateway);

/* In a few words, for a service manager; the caller frees. */
char *status_words(const struct gateway *gateway);

#endif

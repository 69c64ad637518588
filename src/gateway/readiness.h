/* Whether the gateway can serve: for a balancer, a monitor or a script that asks (adit -O ready).
 * Main thread only. */
#ifndef ADIT_GATEWAY_READINESS_H
#define ADIT_GATEWAY_READINESS_H

#include "gateway/gateway.h"

#include <jansson.h>

/* NULL: the gateway accepts clients, and each required upstream has a session
 * (config_upstream_is_required), and each required forward is up (config_forward_is_required). Else
 * why it is not ready, a sentence that the caller frees. */
char *gateway_unready(const struct gateway *gateway);

/* Adds "ready", and "reason" (null if ready), to an answer. */
void gateway_add_readiness(const struct gateway *gateway, json_t *answer);

#endif

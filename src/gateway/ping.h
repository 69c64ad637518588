/* adit -O ping: how long the way to an upstream's server and back is. Main thread only. */
#ifndef ADIT_GATEWAY_PING_H
#define ADIT_GATEWAY_PING_H

#include "gateway/gateway.h"

#include <jansson.h>

typedef void ping_answered_fn(void *arg, json_t *answer);

/* Measures it over a session of the upstream of that name; NULL: of the only one there is.
 * `answered` is called once, now or later, with an answer of the control socket (control/protocol),
 * which is the callee's. */
void gateway_ping(struct gateway *gateway, const char *upstream, ping_answered_fn *answered,
                  void *arg);

#endif

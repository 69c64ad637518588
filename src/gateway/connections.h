/* Lists of connections as JSON, and closing one. Main thread only. */
#ifndef ADIT_GATEWAY_CONNECTIONS_H
#define ADIT_GATEWAY_CONNECTIONS_H

#include "gateway/gateway.h"

#include <jansson.h>

/* Called once, later, with the list, as adit(8) describes the answer to -O connections: the
 * callee's. NULL: adit is ending. */
typedef void connections_json_fn(void *arg, json_t *list);

/* The connections with the lowest numbers above `after`, `most` of them at the most. */
void connections_ask(struct gateway *gateway, unsigned long long after, size_t most,
                     bool with_targets, connections_json_fn *listed, void *arg);

#endif

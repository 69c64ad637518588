/* The status server of a gateway: [status] of the configuration, and what its pages show. Main
 * thread only. */
#ifndef ADIT_GATEWAY_STATUS_PAGES_H
#define ADIT_GATEWAY_STATUS_PAGES_H

#include "gateway/gateway.h"
#include "gateway/listeners.h"

struct status_server;

/* It does not listen yet. The gateway's loop must be there. */
struct status_server *status_pages_new(struct gateway *gateway);

/* The first of the two steps of a change (status/server.h). False: `error` says why not. */
bool status_pages_prepare(struct status_server *server, struct config *config,
                          char error[static LISTENERS_ERROR_MAX]);

#endif

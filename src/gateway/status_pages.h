/* The status server of a gateway: [status] of the configuration, and what its pages show. Main
 * thread only. */
#ifndef ADIT_GATEWAY_STATUS_PAGES_H
#define ADIT_GATEWAY_STATUS_PAGES_H

#include "gateway/gateway.h"

struct status_server;

/* It does not listen yet. The gateway's loop must be there. */
struct status_server *status_pages_new(struct gateway *gateway);

#endif

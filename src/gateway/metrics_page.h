/* The counters and gauges of a gateway, for /metrics. Main thread only; nothing here waits, and the
 * cost does not depend on the number of connections. */
#ifndef ADIT_GATEWAY_METRICS_PAGE_H
#define ADIT_GATEWAY_METRICS_PAGE_H

#include "gateway/gateway.h"
#include "status/exposition.h"

void metrics_page_write(const struct gateway *gateway, struct exposition *page);

#endif

/* The inside of /metrics, for the files metrics_*.c. Main thread only. */
#ifndef ADIT_GATEWAY_METRICS_PARTS_H
#define ADIT_GATEWAY_METRICS_PARTS_H

#include "gateway/gateway_parts.h"
#include "status/exposition.h"

/* The values of a sample's labels. */
#define LABELS(...) ((const char *const[]){__VA_ARGS__})

/* A family with one sample, which has no labels. */
static inline void put_one(struct exposition *page, enum metric_family family, uint64_t value)
{
    exposition_family(page, family);
    exposition_count(page, NULL, value);
}

/* Parts of the page, in this order. */
void metrics_put_clients(const struct gateway *gateway, struct exposition *page);
void metrics_put_upstreams(const struct gateway *gateway, struct exposition *page);

#endif

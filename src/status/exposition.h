/* Metrics as text: Prometheus' format 0.0.4, or OpenMetrics 1.0. Pure. */
#ifndef ADIT_STATUS_EXPOSITION_H
#define ADIT_STATUS_EXPOSITION_H

#include "base/buffer.h"
#include "status/metric_families.h"

#include <stdbool.h>
#include <stdint.h>

/* A page that is being written; `text` and `open_metrics` are the caller's, the rest starts zeroed.
 */
struct exposition {
    struct buffer text;
    bool open_metrics;
    const struct metric_family_row *family; /* the samples that come are of it */
    bool begun;                             /* its head has been written */
};

/* The samples of this family follow. Families come in the order of their enum, each once. A family
 * without samples is left out. */
void exposition_family(struct exposition *x, enum metric_family family);

/* One sample. `labels` are the values for the family's labels, in order; NULL: it has none. What is
 * not shown of a value (base/visible.h) becomes '?'. */
void exposition_count(struct exposition *x, const char *const *labels, uint64_t value);
void exposition_real(struct exposition *x, const char *const *labels, double value);

/* The samples of one histogram. `counts` has one more element than `bounds_ms`: what is beyond. */
struct exposed_histogram {
    const uint64_t *bounds_ms;
    size_t bounds;
    const uint64_t *counts; /* each bucket's own */
    uint64_t sum_ms;
};
void exposition_histogram(struct exposition *x, const char *const *labels,
                          const struct exposed_histogram *histogram);

/* Ends the page. */
void exposition_end(struct exposition *x);

#endif

/* What /metrics shows, family by family. */
#include "gateway/metrics_page.h"

#include "conf/forward_spec.h"
#include "gateway/metrics_parts.h"
#include "gateway/process_figures.h"
#include "gateway/readiness.h"
#include "gateway/snapshot.h"

#include <stdlib.h>

static void put_forwards(const struct gateway *g, struct exposition *page)
{
    const struct config *config = g->generation->config;

    exposition_family(page, FAMILY_FORWARD_UP);
    for (size_t i = 0; i < config->forward_count; i++) {
        const struct config_forward *forward = &config->forwards[i];
        struct forward_status status;
        status_forward(g, forward, &status);
        exposition_count(page, LABELS(forward->name, forward_kinds[forward->kind]),
                         status.state == FORWARD_UP);
    }
}

static void put_names(struct exposition *page, const struct metrics *sum)
{
    const struct {
        const char *result;
        const metric *count;
    } results[] = {{"found", &sum->names_found},
                   {"missing", &sum->names_missing},
                   {"failed", &sum->names_failed},
                   {"timed-out", &sum->names_timed_out}};

    exposition_family(page, FAMILY_NAMES);
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        exposition_count(page, LABELS(results[i].result), metric_get(results[i].count));
    put_one(page, FAMILY_NAMES_CACHED, metric_get(&sum->names_cached));
    put_one(page, FAMILY_NAMES_ASKED, metric_get(&sum->names_asked));
}

static void put_process(struct exposition *page)
{
    struct process_figures figures;

    process_figures_read(&figures);
    exposition_family(page, FAMILY_PROCESS_CPU);
    exposition_real(page, NULL, figures.cpu_seconds);
    exposition_family(page, FAMILY_PROCESS_START);
    exposition_real(page, NULL, figures.start_seconds);
    exposition_family(page, FAMILY_PROCESS_RESIDENT);
    exposition_count(page, NULL, figures.resident_bytes);
    exposition_family(page, FAMILY_PROCESS_VIRTUAL);
    exposition_count(page, NULL, figures.virtual_bytes);
    exposition_family(page, FAMILY_PROCESS_FDS);
    if (figures.descriptors > 0)
        exposition_count(page, NULL, figures.descriptors);
    exposition_family(page, FAMILY_PROCESS_FDS_MAX);
    exposition_count(page, NULL, figures.descriptors_max);
}

void metrics_page_write(const struct gateway *g, struct exposition *page)
{
    struct metrics sum = {0};
    char *why = gateway_unready(g);

    status_metrics(g, &sum);
    exposition_family(page, FAMILY_BUILD);
    exposition_count(page, LABELS(PACKAGE_VERSION), 1);
    put_one(page, FAMILY_READY, why == NULL);
    free(why);
    metrics_put_clients(g, page);
    metrics_put_upstreams(g, page);
    put_forwards(g, page);
    put_names(page, &sum);
    put_process(page);
}

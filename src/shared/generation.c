/* Generations: made by the main thread, referenced by all. */
#include "shared/generation.h"

#include "base/mem.h"
#include "shared/label_counts.h"

#include <assert.h>
#include <stdlib.h>

struct generation *generation_new(struct config *config, struct session_table *const *tables,
                                  struct label_names *names)
{
    static atomic_ullong serial;
    struct generation *g = mem_zalloc(sizeof(*g));

    atomic_store(&g->references, 1);
    g->serial = atomic_fetch_add(&serial, 1) + 1;
    g->config = config;
    g->tables = mem_zalloc(config->upstream_count * sizeof(struct session_table *));
    for (size_t i = 0; i < config->upstream_count; i++)
        g->tables[i] = session_table_ref(tables[i]);
    g->labels = mem_zalloc((config->listen_count + config->forward_count) * sizeof(uint16_t));
    for (size_t i = 0; i < config->listen_count; i++)
        g->labels[i] = label_of_listener(names, config->listens[i].name);
    for (size_t i = 0; i < config->forward_count; i++)
        g->labels[config->listen_count + i] = label_of_listener(names, config->forwards[i].name);
    g->limit_labels = mem_zalloc((config->limit_count + 1) * sizeof(uint16_t));
    for (size_t i = 0; i < config->limit_count; i++)
        g->limit_labels[i] = label_of_limit(names, config->limits[i].name);
    g->limit_labels[config->limit_count] = label_of_limit(names, CONFIG_LIMIT_DEFAULT);
    return g;
}

struct generation *generation_ref(struct generation *g)
{
    atomic_fetch_add(&g->references, 1);
    return g;
}

void generation_unref(struct generation *g)
{
    if (g == NULL || atomic_fetch_sub(&g->references, 1) != 1)
        return;
    for (size_t i = 0; i < g->config->upstream_count; i++)
        session_table_unref(g->tables[i]);
    free(g->tables);
    free(g->labels);
    free(g->limit_labels);
    config_unref(g->config);
    free(g);
}

uint16_t generation_label(const struct generation *g, const struct config_listen *listen)
{
    const struct config *config = g->config;

    for (size_t i = 0; i < config->listen_count; i++)
        if (listen == &config->listens[i])
            return g->labels[i];
    for (size_t i = 0; i < config->forward_count; i++)
        if (listen == &config->forwards[i].listen)
            return g->labels[config->listen_count + i];
    return LABEL_NONE;
}

uint16_t generation_limit_label(const struct generation *g, const struct config_limit *limit)
{
    size_t i = 0;

    while (i < g->config->limit_count && limit != &g->config->limits[i])
        i++;
    return g->limit_labels[i];
}

const struct config_upstream *generation_upstream(const struct generation *g, const char *name,
                                                  struct session_table **table)
{
    const struct config_upstream *upstream = config_upstream(g->config, name);

    assert(upstream != NULL);
    *table = g->tables[upstream - g->config->upstreams];
    return upstream;
}

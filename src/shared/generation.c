/* Generations: made by the main thread, referenced by all. */
#include "shared/generation.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct generation *generation_new(struct config *config, struct session_table *const *tables)
{
    static atomic_ullong serial;
    struct generation *g = mem_zalloc(sizeof(*g));

    atomic_store(&g->references, 1);
    g->serial = atomic_fetch_add(&serial, 1) + 1;
    g->config = config;
    g->tables = mem_zalloc(config->upstream_count * sizeof(struct session_table *));
    for (size_t i = 0; i < config->upstream_count; i++)
        g->tables[i] = session_table_ref(tables[i]);
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
    config_unref(g->config);
    free(g);
}

const struct config_upstream *generation_upstream(const struct generation *g, const char *name,
                                                  struct session_table **table)
{
    const struct config_upstream *upstream = config_upstream(g->config, name);

    assert(upstream != NULL);
    *table = g->tables[upstream - g->config->upstreams];
    return upstream;
}

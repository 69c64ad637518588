/* Whether the gateway can serve. */
#include "gateway/readiness.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "gateway/gateway_parts.h"
#include "gateway/snapshot.h"

#include <stdlib.h>

/* NULL: each that is required is up. */
static char *forward_missing(const struct gateway *g)
{
    const struct config *config = g->generation->config;

    for (size_t i = 0; i < config->forward_count; i++) {
        const struct config_forward *forward = &config->forwards[i];
        struct forward_status status;
        if (!config_forward_is_required(config, forward))
            continue;
        status_forward(g, forward, &status);
        if (status.state != FORWARD_UP)
            return mem_printf("remote forward %s: %s", forward->name,
                              status.error != NULL ? status.error
                                                   : "the server does not listen yet");
    }
    return NULL;
}

char *gateway_unready(const struct gateway *g)
{
    const struct config *config = g->generation->config;

    if (atomic_load(&g->workers.draining))
        return mem_strdup("adit is draining: it accepts no new connections");
    if (g->draining)
        return mem_strdup("adit is draining: soon it accepts no new connections");
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct config_upstream *upstream = pool_upstream(g->pools[i]);
        struct pool_state state;
        pool_state(g->pools[i], &state);
        if (state.up == 0 && config_upstream_is_required(config, upstream))
            return mem_printf("upstream %s has no session: %s", upstream->name,
                              state.error != NULL ? state.error : "not connected yet");
    }
    return forward_missing(g);
}

void gateway_add_readiness(const struct gateway *g, json_t *answer)
{
    char *why = gateway_unready(g);

    json_object_set_new(answer, "ready", json_boolean(why == NULL));
    json_object_set_new(answer, "reason", json_text(why));
    free(why);
}

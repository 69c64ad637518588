/* Which upstreams must have a session, and which forwards must be up, for adit to be ready. */
#include "conf/config.h"

#include "policy/acl.h"

#include <string.h>

/* Whether all requests of a listener or forward lead to the upstream. */
static bool leads_only_there(const struct config *config, const char *listener, const char *via,
                             const struct config_upstream *upstream)
{
    return strcmp(via, upstream->name) == 0 && !acl_sends_elsewhere(config->acl, listener, via);
}

bool config_upstream_is_required(const struct config *config,
                                 const struct config_upstream *upstream)
{
    const struct config_listen *listen;

    if (upstream->required != UPSTREAM_REQUIRED_AUTO)
        return upstream->required == UPSTREAM_REQUIRED;
    for (size_t i = 0; (listen = config_listen_at(config, i)); i++) {
        if (leads_only_there(config, listen->name, listen->via, upstream))
            return true;
    }
    /* A remote forward listens at the upstream's own server. */
    for (size_t i = 0; i < config->forward_count; i++) {
        const struct config_forward *forward = &config->forwards[i];
        if (forward->kind == FORWARD_REMOTE && strcmp(forward->via, upstream->name) == 0)
            return true;
    }
    return false;
}

bool config_forward_is_required(const struct config *config, const struct config_forward *forward)
{
    const struct config_upstream *upstream = config_upstream(config, forward->via);

    return forward->kind == FORWARD_REMOTE && upstream->required != UPSTREAM_NOT_REQUIRED &&
           (upstream->exit_on_forward_failure || config_listen_at(config, 0) == NULL);
}

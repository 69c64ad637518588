/* The target of a trial's channel. */
#include "gateway/trial_target.h"

#include "base/mem.h"
#include "conf/upstream_host.h"
#include "wire/outcome.h"

#include <stdio.h>
#include <string.h>

/* tcpmux(7), which no server has: an answer comes at once, and no service sees a connection. */
#define NO_SERVICE_HOST "127.0.0.1"
#define NO_SERVICE_PORT 1

static void lead_to(struct trial_target *target, const struct config_place *place)
{
    target->configured = true;
    target->path = place->path;
    target->port = place->port;
    snprintf(target->host, sizeof(target->host), "%s", place->host != NULL ? place->host : "");
}

/* The first host of an upstream that goes through this one. */
static bool find_behind(const struct config *config, const struct config_upstream *upstream,
                        struct trial_target *target)
{
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *other = &config->upstreams[i];
        struct upstream_host host;
        if (other->jump.count == 0 || upstream_service(other) != NULL ||
            strcmp(other->jump.items[0], upstream->name) != 0)
            continue;
        upstream_host_at(other, 0, &host);
        lead_to(target, &(struct config_place){.host = host.name, .port = host.port});
        return true;
    }
    return false;
}

struct trial_target trial_target_of(const struct config *config,
                                    const struct config_upstream *upstream,
                                    const struct config_place *given)
{
    struct trial_target target = {.wanted = true, .host = NO_SERVICE_HOST, .port = NO_SERVICE_PORT};
    bool remote = false, other = config->listen_count > 0;

    if (given != NULL) {
        lead_to(&target, given);
        return target;
    }
    for (size_t i = 0; i < config->forward_count; i++) {
        const struct config_forward *forward = &config->forwards[i];
        if (strcmp(forward->via, upstream->name) != 0)
            continue;
        if (forward->kind == FORWARD_LOCAL) {
            lead_to(&target, &forward->target);
            return target;
        }
        remote = remote || forward->kind == FORWARD_REMOTE;
        other = other || forward->kind != FORWARD_REMOTE;
    }
    if (!find_behind(config, upstream, &target))
        target.wanted = other || !remote;
    return target;
}

char *trial_target_text(const struct trial_target *target)
{
    return target->path != NULL ? mem_strdup(target->path)
                                : mem_printf("%s port %u", target->host, target->port);
}

bool trial_target_is_refused(uint32_t reason, const char *text)
{
    enum outcome outcome = outcome_from_open_failure(reason, text);

    return outcome != OUTCOME_REFUSED && outcome != OUTCOME_NETWORK_UNREACHABLE &&
           outcome != OUTCOME_HOST_UNREACHABLE && outcome != OUTCOME_CONNECT_TIMED_OUT &&
           outcome != OUTCOME_UNKNOWN_HOST;
}

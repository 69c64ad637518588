/* Which limit a client has. */
#include "conf/config.h"

#include <string.h>

static bool limit_has_name(const struct string_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (name != NULL && strcmp(list->items[i], name) == 0)
            return true;
    }
    return list->count == 0;
}

/* Whether the client is a source although nothing says so. */
static bool is_source(const struct limit_client *client)
{
    return client->ip != NULL && !ip_is_loopback(client->ip);
}

static bool limit_covers(const struct config_limit *limit, const struct limit_client *client)
{
    bool anywhere = limit->from.count == 0 && !limit->from.local;

    if (anywhere ? limit->bounds.per == LIMIT_PER_SOURCE && !is_source(client)
                 : !network_list_has(&limit->from, client->ip))
        return false;
    if (limit->bounds.per == LIMIT_PER_USER && client->user == NULL)
        return false;
    return limit_has_name(&limit->users, client->user) &&
           limit_has_name(&limit->listens, client->listen);
}

const struct config_limit *config_limit_for(const struct config *config, enum limit_per per,
                                            const struct limit_client *client)
{
    static char name[] = CONFIG_LIMIT_DEFAULT;
    static const struct config_limit defaults = {.name = name, .bounds = {.per = LIMIT_PER_SOURCE}};

    for (size_t i = 0; i < config->limit_count; i++) {
        const struct config_limit *limit = &config->limits[i];
        if (limit->bounds.per == per && limit_covers(limit, client))
            return limit;
    }
    return per == LIMIT_PER_SOURCE && is_source(client) ? &defaults : NULL;
}

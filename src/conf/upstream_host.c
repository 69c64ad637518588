/* Splitting the entries of `hosts`. */
#include "conf/upstream_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void upstream_host_at(const struct config_upstream *upstream, size_t index,
                      struct upstream_host *host)
{
    const char *entry = upstream->hosts.items[index];

    /* conf/check saw to it that it can be split. */
    hostport_split_zoned(entry, strlen(entry), upstream->port, host->name, &host->port);
    memcpy(host->alias, host->name, sizeof(host->alias));
    if (index < upstream->libssh_hosts.count) {
        const char *found = upstream->libssh_hosts.items[index]; /* "PORT NAME" */
        char *blank;
        host->port = (uint16_t)strtoul(found, &blank, 10);
        snprintf(host->name, sizeof(host->name), "%s", blank + 1);
    }
}

bool upstream_host_find(const struct config_upstream *upstream, const char *entry,
                        struct upstream_host *host)
{
    for (size_t i = 0; i < upstream->hosts.count; i++)
        if (strcmp(upstream->hosts.items[i], entry) == 0) {
            upstream_host_at(upstream, i, host);
            return true;
        }
    return false;
}

/* Hosts, as the configuration or libssh's reading of ssh_config has them. */
#include "conf/upstream_host.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "conf/ssh_names.h"
#include "conf/ssh_tokens.h"
#include "policy/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SSH_PORT 22

void upstream_host_at(const struct config_upstream *upstream, size_t index,
                      struct upstream_host *host)
{
    const char *entry = upstream->hosts.items[index];

    host->index = index;
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

const char *upstream_service(const struct config_upstream *upstream)
{
    const size_t prefix = strlen(HOST_BY_SRV);
    const char *first = upstream->hosts.count == 1 ? upstream->hosts.items[0] : "";

    /* ("srv:22" is a host of that name.) */
    return strncmp(first, HOST_BY_SRV, prefix) == 0 && first[prefix] == '_' ? first + prefix : NULL;
}

/* (Who asks may have been taken over.) */
static bool split_target(const char *entry, struct upstream_host *host)
{
    if (!hostport_split(entry, strlen(entry), 0, host->name, &host->port) ||
        target_name_wrong(host->name) != NULL)
        return false;
    memcpy(host->alias, host->name, sizeof(host->alias));
    host->index = 0;
    return true;
}

bool upstream_host_find(const struct config_upstream *upstream, const char *entry,
                        struct upstream_host *host)
{
    if (upstream_service(upstream) != NULL)
        return split_target(entry, host);
    for (size_t i = 0; i < upstream->hosts.count; i++)
        if (strcmp(upstream->hosts.items[i], entry) == 0) {
            upstream_host_at(upstream, i, host);
            return true;
        }
    return false;
}

/* (A HostKeyAlias stands for every port.) */
char *upstream_host_known_as(const struct config_upstream *upstream,
                             const struct upstream_host *host, char **without_port)
{
    const char *alias = upstream->host_key_alias;
    char *name = mem_strdup(alias ? alias : host->name);

    *without_port = NULL;
    for (char *at = name; *at; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    }
    if (alias || host->port == SSH_PORT)
        return name;
    *without_port = name;
    return mem_printf("[%s]:%u", name, host->port);
}

char *upstream_host_command(const struct config_upstream *upstream,
                            const struct upstream_host *host)
{
    char port[8];
    const struct ssh_tokens tokens = {
        .host = host->name,
        .name = host->name,
        .port = port,
        .user = upstream->user,
        .alias = upstream->host_key_alias,
    };

    /* (Names of the configuration were checked when it was read; libssh's ssh_config was not.) */
    if (ssh_host_wrong(host->name) != NULL)
        return NULL;
    snprintf(port, sizeof(port), "%u", host->port);
    return ssh_tokens_expand(upstream->proxy_command, &tokens);
}

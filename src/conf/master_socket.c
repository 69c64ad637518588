/* Paths of control sockets with ssh's tokens. */
#include "conf/master_socket.h"

#include "base/hostport.h"
#include "conf/ssh_tokens.h"
#include "conf/upstream_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *expand(const struct config_upstream *upstream, const char *path)
{
    char host[HOST_MAX + 1] = "", port_text[8];
    uint16_t port = upstream->port;
    struct ssh_tokens tokens = {
        .host = host, .name = host, .port = port_text, .user = upstream->user};

    if (!path)
        return NULL;
    if (upstream_service(upstream))
        snprintf(host, sizeof(host), "%s", upstream_service(upstream));
    else if (upstream->hosts.count > 0)
        hostport_split_zoned(upstream->hosts.items[0], strlen(upstream->hosts.items[0]),
                             upstream->port, host, &port);
    tokens.alias = upstream->host_key_alias;
    snprintf(port_text, sizeof(port_text), "%u", port);
    return ssh_tokens_expand_path(path, &tokens);
}

char *config_master_socket(const struct config_upstream *upstream)
{
    return expand(upstream, upstream->master_socket);
}

char *config_join_master(const struct config_upstream *upstream)
{
    return expand(upstream, upstream->join_master);
}

const struct config_upstream *config_master_at(const struct config *config, const char *path)
{
    const struct config_upstream *found = NULL;

    for (size_t i = 0; path && !found && i < config->upstream_count; i++) {
        char *own = config_master_socket(&config->upstreams[i]);
        if (own && strcmp(own, path) == 0)
            found = &config->upstreams[i];
        free(own);
    }
    return found;
}

/* The hosts of an upstream, each with its backoff. */
#include "gateway/dial_attempt.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define SSH_PORT 22

/* The same name behind another jump host, or by another ProxyCommand, may be another host. */
static struct host_backoff *backoff_of(struct host_backoffs *hosts,
                                       const struct config_upstream *upstream,
                                       const struct place *place)
{
    const char *by = upstream->proxy_command != NULL ? upstream->proxy_command
                     : upstream->jump.count > 0      ? upstream->jump.items[0]
                                                     : NULL;
    char *name =
        by != NULL ? mem_printf("%s by %s", place->at.name, by) : mem_strdup(place->at.name);
    struct host_backoff *host = host_backoffs_get(hosts, name, place->at.port);

    free(name);
    return host;
}

void place_init(struct place *place, const struct pool_room *room,
                const struct config_upstream *upstream, size_t index)
{
    upstream_host_at(upstream, index, &place->at);
    place->index = index;
    if (place->at.port == SSH_PORT)
        snprintf(place->label, sizeof(place->label), "%s", place->at.name);
    else
        hostport_format(place->at.name, place->at.port, place->label);
    place->host = backoff_of(room->hosts, upstream, place);
    place->sessions = 0;
}

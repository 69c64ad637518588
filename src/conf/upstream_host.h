/* One of an upstream's hosts, as a login needs it. Pure; any thread. */
#ifndef ADIT_CONF_UPSTREAM_HOST_H
#define ADIT_CONF_UPSTREAM_HOST_H

#include "base/hostport.h"
#include "conf/config.h"

struct upstream_host {
    char name[HOST_MAX + 1];
    char alias[HOST_MAX + 1]; /* the name before libssh looked it up in ssh_config */
    uint16_t port;
};

/* From the entry of that index in the upstream's hosts: "name" or "name:port". */
void upstream_host_at(const struct config_upstream *upstream, size_t index,
                      struct upstream_host *host);

/* From that entry, wherever it stands. False: the upstream has no such host. */
bool upstream_host_find(const struct config_upstream *upstream, const char *entry,
                        struct upstream_host *host);

#endif

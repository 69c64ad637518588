/* Where the hosts of an upstream are, and the ProxyCommand that leads there. Pure; any thread. */
#ifndef ADIT_CONF_UPSTREAM_HOST_H
#define ADIT_CONF_UPSTREAM_HOST_H

#include "base/hostport.h"
#include "conf/config.h"

/* In `hosts`, before the name of a service whose SRV records (RFC 2782) name the hosts. */
#define HOST_BY_SRV "srv:"

/* That name, "_SERVICE._PROTO.NAME". NULL: the hosts are those of the configuration. */
const char *upstream_service(const struct config_upstream *upstream);

struct upstream_host {
    char name[HOST_MAX + 1];
    char alias[HOST_MAX + 1]; /* the name before libssh looked it up in ssh_config */
    uint16_t port;
    size_t index; /* of its entry in the upstream's hosts (0: SRV records name it) */
};

/* From the entry of that index in the upstream's hosts: "name" or "name:port". */
void upstream_host_at(const struct config_upstream *upstream, size_t index,
                      struct upstream_host *host);

/* From that entry, wherever it stands; of an upstream whose hosts SRV records name, from any
 * "name:port" whose name such a record may have (policy/targets). False: the upstream has no such
 * host. */
bool upstream_host_find(const struct config_upstream *upstream, const char *entry,
                        struct upstream_host *host);

/* The name of the host in known_hosts, in small letters, as ssh hashes it: "name", "[name]:port" or
 * the HostKeyAlias. `*without_port` is "name" in the second case, else NULL. The caller frees both.
 */
char *upstream_host_known_as(const struct config_upstream *upstream,
                             const struct upstream_host *host, char **without_port);

/* The upstream's ProxyCommand for the host, to be run by a shell; the caller frees. NULL: the
 * host's name may not be in a command (ssh_host_wrong). */
char *upstream_host_command(const struct config_upstream *upstream,
                            const struct upstream_host *host);

#endif

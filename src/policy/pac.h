/* The rules as a proxy auto-configuration file: what a browser sends to the proxy. Pure. */
#ifndef ADIT_POLICY_PAC_H
#define ADIT_POLICY_PAC_H

#include "policy/acl.h"

#include <stddef.h>

/* The text of FindProxyForURL for clients of listener `listen`; the caller frees. `proxies` are
 * results of it, such as "SOCKS5 127.0.0.1:1080; PROXY 127.0.0.1:1080", at least one; of several a
 * host always gets the same one.
 *
 * A request that a rule allows goes to the proxy, and one that a rule denies, or that no rule
 * allows, goes there not ("DIRECT"). What the browser cannot know is left to the proxy: a rule with
 * from=, user= or group= counts as met if it allows, and is passed over if it denies. Networks
 * match addresses that stand in the URL only: the browser must not look names up for that. */
char *pac_text(const struct acl *acl, const char *listen, const char *const *proxies, size_t count);

#endif

/* PermitRemoteOpen of ssh_config(5): the targets that clients of a remote forward with SOCKS may be
 * connected to. Pure; any thread. */
#ifndef ADIT_POLICY_PERMIT_H
#define ADIT_POLICY_PERMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether one of the patterns permits `host` (normalised) and `port`. A pattern is HOST:PORT, where
 * either may be "*" and an IPv6 address stands in brackets; names are compared as they are, nothing
 * is looked up. "any" permits all, "none" nothing. No patterns: all. */
bool permit_allows(const char *const *patterns, size_t count, const char *host, uint16_t port);

#endif

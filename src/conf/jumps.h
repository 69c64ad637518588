/* Jump hosts: from `jump = a, b` to a chain of upstreams, each with the one before it as its only
 * jump. */
#ifndef ADIT_CONF_JUMPS_H
#define ADIT_CONF_JUMPS_H

#include "base/hostport.h"
#include "conf/load.h"

/* One item of `jump`. */
struct hop {
    char *user; /* NULL: not given */
    char host[HOST_MAX + 1];
    uint16_t port;          /* 0: not given */
    const char *wrong_part; /* "user" or "host"; NULL: the form is wrong, not a name */
    const char *wrong;      /* why its name is refused, as ssh_host_wrong says it */
};

/* Reads [USER@]HOST[:PORT], or as ssh://[USER@]HOST[:PORT][/] (ssh(1) -J), with names that
 * conf/ssh_names.h lets pass. False: it is neither, and there is nothing to clear; `wrong` says why
 * where that is because of a name. */
bool hop_parse(const char *text, struct hop *hop);
void hop_clear(struct hop *hop);

/* Gives every upstream with jump hosts the one upstream that carries its sessions: the last hop. A
 * hop is the [upstream] of that name, or else is made an upstream of its own, one for all that mean
 * the same by it. The path before the last hop is that of `jump`; before the first, the first's
 * own.
 *
 * A hop without an [upstream] has its settings from its entry in ssh_config if the upstream that
 * names it does, else from that upstream (keys with KEY_HOP; never the password or the fingerprints
 * of its host key).
 *
 * Notes a problem of every upstream that would be its own jump host. */
void jumps_expand(struct load *load);

#endif

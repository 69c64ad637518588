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

/* Reads [USER@]HOST[:PORT] or ssh://[USER@]HOST[:PORT][/], as ssh(1) -J does. The names must be
 * valid by conf/ssh_names.h. False: the text is neither, and there is nothing to clear; `wrong`
 * says why if a name is invalid. */
bool hop_parse(const char *text, struct hop *hop);
void hop_clear(struct hop *hop);

/* Gives every upstream with jump hosts the one upstream that carries its sessions: the last hop. A
 * hop is the [upstream] of that name; else an upstream is made for the hop, and shared by all that
 * name the same hop. Each hop is reached through the hop before it in `jump`; the first hop is
 * reached by its own section's jump.
 *
 * A hop without an [upstream] has its settings from its entry in ssh_config if the upstream that
 * names it does, else from that upstream (keys with KEY_HOP; never the password or the fingerprints
 * of its host key).
 *
 * Notes a problem of every upstream that would be its own jump host. */
void jumps_expand(struct load *load);

#endif

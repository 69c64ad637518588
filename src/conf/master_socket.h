/* The paths of `[upstream] master_socket`, where adit serves ssh(1) as its ControlMaster, and of
 * join_master, where an ssh(1) serves adit. Any thread. */
#ifndef ADIT_CONF_MASTER_SOCKET_H
#define ADIT_CONF_MASTER_SOCKET_H

#include "conf/config.h"

/* The path with the tokens of ssh_config(5) replaced, as for ControlPath: %h and %n are the first
 * host, %p its port, %r the user to log in with. NULL: the upstream has none, or one of its tokens
 * is not known (which conf/check refuses). The caller frees. */
char *config_master_socket(const struct config_upstream *upstream);

/* The same for join_master. */
char *config_join_master(const struct config_upstream *upstream);

/* The upstream whose socket is at that path; NULL: none is. */
const struct config_upstream *config_master_at(const struct config *config, const char *path);

#endif

/* A tunnel whose ControlPath leads to an ssh(1) that is the master: it has its forwards, or the
 * connection of -W, there instead of sessions of its own. Blocks, in a process that has no other
 * threads. */
#ifndef ADIT_CONTROL_SSH_SHARE_H
#define ADIT_CONTROL_SSH_SHARE_H

#include "control/client.h"

/* control_share and control_share_stdio at such a master. */
int ssh_share(const struct control_order *order, bool background);
int ssh_share_stdio(const char *path, const struct config_place *target);

#endif

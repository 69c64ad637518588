/* What `adit -O` and a tunnel want of an ssh(1) that is the ControlMaster at their path. Blocks, in
 * a process that has no other threads. */
#ifndef ADIT_CONTROL_SSH_ORDER_H
#define ADIT_CONTROL_SSH_ORDER_H

#include "control/client.h"
#include "control/ssh_master.h"

/* Carries out the order at the master and returns the answer as an adit gives it, the caller's:
 * {"ok": true} with "pid" (check), "allocated" (forward) or "text" (conninfo, channels); else
 * "error", "problems" and "status", where "allocated" may stand, too. As ssh(1) does, each forward
 * is asked for, also when one before it was refused. */
json_t *ssh_order_answer(const char *path, const struct control_order *order);

/* The two about forwards, at a master that is open: set of `answer` what the answer above has.
 * NULL, or the reason that at least one failed, which the caller frees. */
char *ssh_order_forward(struct ssh_master *master, const struct control_order *order,
                        json_t *answer);
char *ssh_order_cancel(struct ssh_master *master, const struct control_order *order,
                       json_t *answer);

#endif

/* What stands between a gateway and an ssh-agent(1): of the agent's protocol it passes what a login
 * needs, and no more. A gateway that was taken over gets no key added, removed or locked by it, and
 * no signature but for a login (wire/agent_messages). Any thread. */
#ifndef ADIT_KEEPER_AGENT_FILTER_H
#define ADIT_KEEPER_AGENT_FILTER_H

#include "base/quota.h"
#include "base/ssh_bytes.h"

/* Serves `agent`, a connection to an agent, which is taken over, on a thread of its own, until
 * either side ends; meanwhile it is one of the quota's. The one key of this public half, of which a
 * copy is made, is to be seen and used; no bytes: none. Returns the end for the gateway, which is
 * close-on-exec and the caller's, or -1: errno (EAGAIN: there are as many as the quota has). */
int agent_filter_start(int agent, struct span only, struct quota *quota);

/* The same for all keys that the agent has. */
int agent_filter_start_all(int agent, struct quota *quota);

#endif

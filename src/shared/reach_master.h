/* Further connections to the ssh(1) that carries an upstream's sessions (join_master): a session
 * asks for one when it opens a channel, and the keeper makes it, as a locked process may not. For
 * a session_way (session/login.h). */
#ifndef ADIT_SHARED_REACH_MASTER_H
#define ADIT_SHARED_REACH_MASTER_H

#include "session/login.h"
#include "shared/service.h"

/* Asks by the calling thread's service for a connection to the upstream's master; `reached` is
 * called once, never inside the call. */
struct session_reach *reach_master_ask(struct service *service, const char *upstream,
                                       session_reached_fn *reached, void *arg);

/* `reached` will not be called. NULL is fine. */
void reach_master_forget(struct session_reach *reach);

#endif

/* What a session that goes through an ssh(1) (session_openssh/) asks the keeper for, as a locked
 * process may not make it: further connections to that master, and the sockets of remote forwards;
 * and what that master has printed. For a session_way (session/login.h). */
#ifndef ADIT_SHARED_SESSION_REACH_H
#define ADIT_SHARED_SESSION_REACH_H

#include "session/login.h"
#include "shared/service.h"

/* Asks by the calling thread's service for a connection to the master that the keeper has started
 * for the session and given this number, or, where that is 0, to the one that the upstream joins;
 * `reached` is called once, never inside the call. */
struct session_reach *session_reach_master(struct service *service, const char *upstream,
                                           uint32_t master, session_reached_fn *reached, void *arg);

/* Likewise for the socket of a forward of the configuration. */
struct session_reach *session_reach_bind(struct service *service, const char *forward,
                                         session_bound_fn *bound, void *arg);

/* Likewise why the server has refused the last open of that target, over that master. */
struct session_reach *session_reach_cause(struct service *service, uint32_t master,
                                          const struct refused_target *target,
                                          session_caused_fn *caused, void *arg);

/* Nothing will be called. NULL is fine. */
void session_reach_forget(struct session_reach *reach);

#endif

/* What may be asked of a running gateway (adit(8), -O). Main thread only. */
#ifndef ADIT_GATEWAY_COMMANDS_H
#define ADIT_GATEWAY_COMMANDS_H

#include "gateway/config_changes.h"
#include "gateway/gateway.h"
#include "gateway/listeners.h"

struct control;

/* Nothing is listened on yet. The gateway's loop must be there. */
struct control *control_new(struct gateway *gateway);

/* (In a running gateway the main thread must not ask the process that listens at the new path:
 * `holder` says which that is. NULL: the gateway does not run yet, and asks.) The two steps of a
 * change of `[gateway] control` (control/server.h). False: `error` says why not; of a command line
 * that the path is taken is only a warning, as it is to ssh. */
bool control_prepare(struct control *control, const struct config *config,
                     const struct control_holder *holder, char error[static LISTENERS_ERROR_MAX]);
void control_commit(struct control *control, bool keep_new);

/* Whether an ssh(1) is served, whose session would be cut. */
bool control_is_busy(const struct control *control);

/* SIGWINCH: a terminal of an ssh(1) that is served may have another size. */
void control_window_changed(struct control *control);

/* Every ssh(1) that is served is cut, as the gateway ends. */
void control_cut(struct control *control);

/* A remote forward has come up, was refused, or has gone: requests that wait for it are looked at.
 */
void control_forward_changed(struct control *control);

/* No new connection is accepted, and the path is free; forwards that are waited for will not come.
 */
void control_close(struct control *control);

/* Once the gateway will not change any more. NULL is fine. */
void control_free(struct control *control);

#endif

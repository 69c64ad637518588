/* What may be asked of a running gateway (adit(8), -O). Main thread only. */
#ifndef ADIT_GATEWAY_COMMANDS_H
#define ADIT_GATEWAY_COMMANDS_H

#include "gateway/gateway.h"
#include "io/listener.h"

struct control;

/* Nothing is listened on yet. The gateway's loop must be there. */
struct control *control_new(struct gateway *gateway);

/* Listens at the sockets of `config` (control/sockets.h). */
void control_listen(struct control *control, struct config *config, struct given_socket *given,
                    size_t count);

/* Its socket will be closed without being shut down, as another process listens there. */
void control_leave(struct control *control);

/* Whether an ssh(1) is served, whose session would be cut. */
bool control_is_busy(const struct control *control);

/* SIGWINCH: a terminal of an ssh(1) that is served may have another size. */
void control_window_changed(struct control *control);

/* Every ssh(1) that is served is cut, as the gateway ends. */
void control_cut(struct control *control);

/* A remote forward has come up, was refused, or has gone: requests that wait for it are looked at.
 */
void control_forward_changed(struct control *control);

/* Something has changed: those who watch are told. */
struct event;
void control_tell(struct control *control, const struct event *event);

/* No new connection is accepted, and the path is free; forwards that are waited for will not come.
 */
void control_close(struct control *control);

/* Once the gateway will not change any more. NULL is fine. */
void control_free(struct control *control);

#endif

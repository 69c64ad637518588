/* The paths at which this process can be asked: that of `[gateway] control`, and those at which
 * ssh(1) finds an upstream's sessions (`[upstream] master_socket`). Main thread only. */
#ifndef ADIT_CONTROL_SOCKETS_H
#define ADIT_CONTROL_SOCKETS_H

#include "io/acceptor.h"
#include "io/loop.h"

/* A connection to the path of `via`, which is valid during the call. The callee owns the
 * descriptor. */
typedef void control_accepted_fn(void *arg, const struct accepted *connection, const char *via);

struct control_sockets;

/* Nothing is listened on yet. */
struct control_sockets *control_sockets_new(struct loop *loop, control_accepted_fn *accepted,
                                            void *arg);

/* The upstream whose sessions serve ssh(1) at a path; NULL: no ssh is served there. */
typedef const char *control_via_fn(void *arg, const char *path);

/* Listens at the sockets given, each at a path: the new ones among them are taken over, and those
 * that are not among them are closed; connections are left alone. `via` NULL: no ssh is served. */
void control_sockets_change(struct control_sockets *sockets, struct given_socket *given,
                            size_t count, control_via_fn *via, void *arg);

/* They will be closed without being shut down, as another process listens there. */
void control_sockets_leave(struct control_sockets *sockets);

/* NULL is fine. */
void control_sockets_free(struct control_sockets *sockets);

#endif

/* The paths at which this process can be asked: that of `[gateway] control`, and those at which
 * ssh(1) finds an upstream's sessions (`[upstream] master_socket`). Main thread only. */
#ifndef ADIT_CONTROL_SOCKETS_H
#define ADIT_CONTROL_SOCKETS_H

#include "io/acceptor.h"
#include "io/loop.h"

/* A path, and the upstream whose sessions serve ssh(1) there; NULL: no ssh is served. */
struct control_place {
    const char *path;
    const char *via;
};

/* A connection to the path of `via`, which is valid during the call. The callee owns the
 * descriptor. */
typedef void control_accepted_fn(void *arg, const struct accepted *connection, const char *via);

struct control_sockets;

/* Nothing is listened on yet. */
struct control_sockets *control_sockets_new(struct loop *loop, control_accepted_fn *accepted,
                                            void *arg);

/* Change the paths in two steps. The first listens at those that are new, unix sockets of mode 0600
 * (io/listener.h: a stale socket is replaced, and the path is removed at the end). If it fails,
 * `*failed` is the index of the place and `error` says why, and nothing is prepared. The second
 * keeps the new places or the old ones, and closes the others; connections are left alone. */
bool control_sockets_prepare(struct control_sockets *sockets, const struct control_place *places,
                             size_t count, size_t *failed, char *error, size_t error_size);
void control_sockets_commit(struct control_sockets *sockets, bool keep_new);

/* NULL is fine. */
void control_sockets_free(struct control_sockets *sockets);

#endif

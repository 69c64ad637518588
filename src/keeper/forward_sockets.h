/* The unix sockets to which an ssh(1) that carries an upstream's sessions (its master) connects for
 * each connection of a remote forward. The keeper binds them, in a directory that others cannot
 * write to. The gateway, which may not bind, listens at them and asks the master for the forward.
 *
 * The keeper cancels the forward of a joined master: the master keeps it whoever has asked for it,
 * and the gateway may be killed, or a next gateway may need it. A record of the forward lies beside
 * each socket, locked as long as the keeper lives. So the next adit can cancel the forwards of an
 * adit that was killed.
 *
 * The path of a socket is derived from where the server listens. The reason: a master remembers a
 * forward that the server has refused (seen with OpenSSH 9.2), and leads a later forward of the
 * same place to the path of the first. Main thread only. */
#ifndef ADIT_KEEPER_FORWARD_SOCKETS_H
#define ADIT_KEEPER_FORWARD_SOCKETS_H

#include "conf/config.h"
#include "io/loop.h"

struct forward_sockets;

struct forward_sockets *forward_sockets_new(struct loop *loop);

/* A socket that is bound. */
struct forward_bound {
    int fd;           /* the caller's: a copy of what listens; -1: there is none, for `error` */
    const char *path; /* valid until the socket is closed */
    /* errno(3); EADDRINUSE: another adit has the forward, or one that stands before it in the
     * configuration. */
    int error;
};

/* The socket of a remote forward of `config`, which is bound unless it was. (A server listens at a
 * place once; a master that is asked twice for it says yes.) */
struct forward_bound forward_sockets_get(struct forward_sockets *sockets,
                                         const struct config *config,
                                         const struct config_forward *forward);

/* Closes those of forwards that the configuration does not have (NULL: of all), and asks the
 * masters to cancel these. */
void forward_sockets_keep(struct forward_sockets *sockets, const struct config *config);

/* Cancels the forwards that a killed adit has left, unless the configuration has them. */
void forward_sockets_clean(struct forward_sockets *sockets, const struct config *config);

/* After the loop. Cancels all, and waits at most CANCEL_MS for the masters' answers. NULL is fine.
 */
#define CANCEL_MS 2000
void forward_sockets_free(struct forward_sockets *sockets);

#endif

/* The unix sockets at which an ssh(1) that carries an upstream's sessions (its master) brings the
 * connections of its remote forwards. They are bound here, in a directory that others cannot write
 * to, and listened at by the gateway, which may not bind and asks the master for the forward.
 *
 * To cancel the forward of a master that is joined is this process's: a master goes on with it
 * whoever has asked for it, and a gateway may be killed, or be followed by another one that needs
 * it. Beside each socket lies a record of the forward, locked as long as this process lives: so
 * that the next adit can cancel what one has left that was killed.
 *
 * The path of a socket follows from where the server listens. For a master forgets no forward that
 * the server has refused (seen with OpenSSH 9.2): it is by the path of the first one that a later
 * one of the same place leads. Main thread only. */
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
    int error;        /* errno(3); EADDRINUSE: another adit has the forward */
};

/* The socket of a remote forward of `config`, which is bound unless it was. */
struct forward_bound forward_sockets_get(struct forward_sockets *sockets,
                                         const struct config *config,
                                         const struct config_forward *forward);

/* Closes those of forwards that the configuration does not have (NULL: of all), and asks the
 * masters to cancel these. */
void forward_sockets_keep(struct forward_sockets *sockets, const struct config *config);

/* Cancels what an adit has left that was killed, unless the configuration has it. */
void forward_sockets_clean(struct forward_sockets *sockets, const struct config *config);

/* After the loop. Cancels all, and waits for masters that have still to answer, at most CANCEL_MS.
 * NULL is fine. */
#define CANCEL_MS 2000
void forward_sockets_free(struct forward_sockets *sockets);

#endif

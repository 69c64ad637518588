/* Who accepts what comes to a listener, on one loop: in bursts, and not at all while there are no
 * descriptors. */
#ifndef ADIT_IO_ACCEPTOR_H
#define ADIT_IO_ACCEPTOR_H

#include "io/listener.h"
#include "io/loop.h"

struct acceptor;

/* A connection that was accepted. */
struct accepted {
    int fd;       /* non-blocking and prepared (socket_prepare) */
    bool from_ip; /* false: it came by a unix socket, and has no address */
    struct ip peer;
    uint16_t peer_port;
};

/* Gets each connection; its descriptor is the callee's, the rest is valid during the call. The
 * callee may free the acceptor. */
typedef void acceptor_accepted(void *arg, const struct accepted *connection);

/* Begins to accept; the listener is referenced. One acceptor at a time is meant to be at a
 * listener; while there are two, each connection is accepted by one of them. When the listener is
 * closed it accepts no more, and waits to be freed.
 *
 * `may_use_last`: its connections are few, and may have the last descriptors. */
struct acceptor *acceptor_new(struct loop *loop, struct listener *listener, bool may_use_last,
                              acceptor_accepted *accepted, void *arg);

/* Connections not yet accepted stay for another acceptor. NULL is fine. */
void acceptor_free(struct acceptor *acceptor);

/* The process is out of descriptors (but for the last few, which connections leave to sessions) or
 * memory at times: then accepting stops, with one warning, and is tried again after so long. */
#define ACCEPTOR_STARVED_MS 100

#endif

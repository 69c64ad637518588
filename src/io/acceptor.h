/* Accepts the connections that come to a listener, on one loop: in bursts, and not while the
 * process has no descriptors left. */
#ifndef ADIT_IO_ACCEPTOR_H
#define ADIT_IO_ACCEPTOR_H

#include "io/listener.h"
#include "io/loop.h"

struct acceptor;

/* A connection that was accepted. */
struct accepted {
    int fd;       /* non-blocking and prepared (socket_prepare) */
    bool from_ip; /* false: the connection came by a unix socket and has no address */
    struct ip peer;
    uint16_t peer_port;
};

/* Called with each connection. The callee owns its descriptor; the rest is valid during the call.
 * The callee may free the acceptor. */
typedef void acceptor_accepted(void *arg, const struct accepted *connection);

/* Begins to accept. The acceptor references the listener. A listener is meant to have one acceptor
 * at a time; while it has two, each connection is accepted by one of them. When the listener is
 * closed the acceptor accepts no more, and waits to be freed.
 *
 * `may_use_last`: its connections are few and may use the last descriptors. */
struct acceptor *acceptor_new(struct loop *loop, struct listener *listener, bool may_use_last,
                              acceptor_accepted *accepted, void *arg);

/* Ends accepting. Connections not yet accepted wait for another acceptor. NULL is fine. */
void acceptor_free(struct acceptor *acceptor);

/* When the process is out of memory or descriptors (except the last few, which are kept for
 * sessions), accepting stops with one warning, and is tried again after this time. */
#define ACCEPTOR_STARVED_MS 100

#endif

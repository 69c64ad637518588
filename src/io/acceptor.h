/* Who accepts what comes to a listener, on one loop: in bursts, and not at all while there are no
 * descriptors. */
#ifndef ADIT_IO_ACCEPTOR_H
#define ADIT_IO_ACCEPTOR_H

#include "io/listener.h"
#include "io/loop.h"

struct acceptor;

/* Begins to accept; the listener is referenced. One acceptor at a time is meant to be at a
 * listener; while there are two, each connection is accepted by one of them. When the listener is
 * closed it accepts no more, and waits to be freed.
 *
 * `may_use_last`: its connections are few, and may have the last descriptors.
 *
 * `accepted` gets each connection: a non-blocking, prepared (socket_prepare) descriptor, which is
 * the callee's, and who it came from (`peer` is NULL for unix sockets; valid during the call). It
 * may free the acceptor. */
struct acceptor *acceptor_new(struct loop *loop, struct listener *listener, bool may_use_last,
                              void (*accepted)(void *arg, int fd, const struct ip *peer,
                                               uint16_t peer_port),
                              void *arg);

/* Connections not yet accepted stay for another acceptor. NULL is fine. */
void acceptor_free(struct acceptor *acceptor);

/* The process is out of descriptors (but for the last few, which connections leave to sessions) or
 * memory at times: then accepting stops, with one warning, and is tried again after so long. */
#define ACCEPTOR_STARVED_MS 100

#endif

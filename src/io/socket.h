/* A connected stream socket (TCP or unix) as an endpoint, and the options that sockets get. */
#ifndef ADIT_IO_SOCKET_H
#define ADIT_IO_SOCKET_H

#include "io/endpoint.h"
#include "io/loop.h"

/* Takes `fd` over (on success only), which may be a blocking one. NULL: the kernel would not watch
 * it; errno says why.
 *
 * A close without abort lingers, if the peer may still have something to read: after our end of
 * data the socket reads on and drops what comes, until the peer's end of data, or until nothing has
 * come for SOCKET_LINGER_MS, or for SOCKET_LINGER_MOST_MS in all. For a socket that is closed with
 * unread bytes is reset (RFC 2525 section 2.17), which can destroy what the peer has not read yet.
 * A peer that is not answered shall see the reset: it only writes, and learns so that nobody takes
 * that (`unanswered` of the endpoint, or nothing was sent for SOCKET_ANSWERED_MS).
 *
 * What was written may wait until the end of the loop's turn, to be sent with more of that turn. */
#define SOCKET_LINGER_MS 3000
#define SOCKET_LINGER_MOST_MS 30000
#define SOCKET_ANSWERED_MS 3000
struct endpoint *socket_endpoint_new(struct loop *loop, int fd);

/* Gives the descriptor back and frees the endpoint: for a client that moves to another loop. What
 * the endpoint keeps (endpoint_send) is appended to `unsent`, for the next endpoint. An end of data
 * that was seen is seen by that one, too. */
int socket_endpoint_release(struct endpoint *endpoint, struct buffer *unsent);

/* TCP_NODELAY (nothing for other families) and SO_KEEPALIVE; what a listening socket accepts
 * inherits both. */
void socket_prepare(int fd);

/* Aborts the sockets that still linger on `loop`, which can only be freed when none does. */
void socket_linger_abort(struct loop *loop);

#endif

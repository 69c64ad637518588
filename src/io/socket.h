/* A connected stream socket (TCP or unix) as an endpoint, and what sockets need set. */
#ifndef ADIT_IO_SOCKET_H
#define ADIT_IO_SOCKET_H

#include "io/endpoint.h"
#include "io/loop.h"

/* Takes `fd` (on success only), which may be a blocking one. NULL: the kernel would not watch it;
 * errno says why. A close without abort lingers: after our end of data it reads on and drops what
 * comes for up to SOCKET_LINGER_MS or until the peer's end of data, because closing a socket with
 * unread bytes resets it and can destroy what the peer has not read yet. */
#define SOCKET_LINGER_MS 3000
struct endpoint *socket_endpoint_new(struct loop *loop, int fd);

/* Gives the descriptor back and frees the endpoint: for a client that moves to another loop. */
int socket_endpoint_release(struct endpoint *endpoint);

/* TCP_NODELAY (nothing for other families) and SO_KEEPALIVE; what a listening socket accepts
 * inherits both. */
void socket_prepare(int fd);

/* Cuts what still lingers on `loop`: for its end, as a loop can only be freed when nothing lingers.
 */
void socket_linger_abort(struct loop *loop);

#endif

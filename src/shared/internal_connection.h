/* A connection of our own through an upstream, asked for by the main thread: what carries a session
 * behind a jump host, and ssh's -W. Main thread only; the work is done by a client on the worker
 * that has a session, and messages go there and back. */
#ifndef ADIT_SHARED_INTERNAL_CONNECTION_H
#define ADIT_SHARED_INTERNAL_CONNECTION_H

#include "worker/client.h"

struct internal_connection;

/* Sends the internal connection out with `fd`, which is taken: one end of a socketpair
 * (client_new_internal). `answered` and `ended` of the internal connection are called on the main
 * thread, never from inside this call. After `ended`, or `answered` with a failure, the hop is
 * gone. */
struct internal_connection *internal_connection_start(struct workers *workers,
                                                      struct generation *generation,
                                                      const struct internal_request *request,
                                                      int fd);

/* Nothing will be called any more; the hop frees itself. The connection ends only when the other
 * end of the socketpair is closed. NULL is fine. */
void internal_connection_forget(struct internal_connection *connection);

#endif

/* An endpoint in front of the client's, for one plain HTTP request. It passes the body of one
 * request only, and rewrites the head of the response so that the connection closes after it.
 * Without this a browser would send its next request, perhaps for another host, over a connection
 * that leads to this one. On the client's worker. */
#ifndef ADIT_WORKER_HTTP_EXCHANGE_H
#define ADIT_WORKER_HTTP_EXCHANGE_H

#include "io/endpoint.h"
#include "io/loop.h"
#include "wire/http.h"

/* Takes `inner` over, the client's socket or channel. `body` (copied) is what is still to come of
 * the request's body. `target` (copied) is named in the answer that the client gets when the
 * origin's response is no HTTP. The head goes to the client by endpoint_send. */
struct endpoint *http_exchange_new(struct loop *loop, struct endpoint *inner,
                                   const struct http_body *body, const struct wire_target *target);

#endif

/* The client's side of a plain HTTP request: an endpoint before the client's socket that lets
 * through just one request's body, and turns the response into one after which the connection
 * closes. Without it a browser would send its next request, perhaps for another host, down a
 * connection that leads to this one. */
#ifndef ADIT_WORKER_HTTP_EXCHANGE_H
#define ADIT_WORKER_HTTP_EXCHANGE_H

#include "io/endpoint.h"
#include "io/loop.h"
#include "wire/http.h"

/* Takes `inner`, the client's socket. `body` is what is still to come of the request's body;
 * `target` (copied) is named in the answer when the origin's response is no HTTP. */
struct endpoint *http_exchange_new(struct loop *loop, struct endpoint *inner,
                                   const struct http_body *body, const struct wire_target *target);

#endif

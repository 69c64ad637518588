/* HTTP/1.x as an origin server receives it (RFC 9110, 9112): what the status server is asked. Pure;
 * any thread. */
#ifndef ADIT_WIRE_HTTP_ORIGIN_H
#define ADIT_WIRE_HTTP_ORIGIN_H

#include "base/text.h"
#include "wire/http.h"

/* A request head. Slices point into the bytes that were parsed. */
struct http_origin_request {
    struct text method;
    /* The target's path as it was written, and what follows its '?' (empty: nothing). The path
     * begins with '/', but for a target that is no path ("*", or of CONNECT): then it is that
     * target. */
    struct text path;
    struct text query;
    /* Of an absolute-form target, else of the Host field, without the port, as host_normalise has
     * it; "": there was none. */
    char host[HOST_MAX + 1];
    bool host_is_address;
    struct wire_credentials credentials; /* Authorization: Basic (RFC 7617) */
    struct text accept;                  /* of the first Accept field; empty: none */
    bool is_get;
    bool is_head;
    bool has_body;
    bool close; /* the connection is to be closed after the response */
};

/* Parses one request head, as strictly as http_request_parse does. WIRE_BAD also: two Host fields,
 * a Host that is no host with or without a port, userinfo in the target. An absolute-form target
 * must be http:. Credentials that come twice, or that cannot be read, count as not given. */
enum wire_status http_origin_parse(const uint8_t *bytes, size_t length,
                                   struct http_progress *progress, size_t *used,
                                   struct http_origin_request *request);

/* How much a client wants a media type (RFC 9110 section 12.5.1), in thousandths; 0: not at all.
 * `accept` is the field's value; of several ranges that match, the most exact one counts. With
 * `parameter`, such as "version=1.0.0", only ranges with that parameter match. */
unsigned http_accept_weight(struct text accept, const char *type, const char *parameter);

#endif

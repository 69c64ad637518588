/* HTTP/1.x as a proxy receives it (RFC 9110, 9112): CONNECT and absolute-form, one request a
 * connection. Pure; any thread. */
#ifndef ADIT_WIRE_HTTP_H
#define ADIT_WIRE_HTTP_H

#include "wire/outcome.h"
#include "wire/wire.h"

#define HTTP_HEAD_MAX 65536 /* a longer head is OUTCOME_MALFORMED */

/* How many body bytes follow a head (RFC 9112 section 6.3). */
enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_body {
    enum http_framing framing;
    uint64_t left; /* HTTP_LENGTH: bytes still to come; HTTP_CHUNKED: of the current chunk */
    uint8_t state; /* http_body_take's own, for HTTP_CHUNKED */
};

/* A request head. Slices point into the bytes that were parsed. */
struct http_request {
    const char *head;
    size_t head_length; /* with the empty line */
    const char *method;
    size_t method_length;
    /* What follows the authority of an absolute-form target; where that is nothing, "/" ("*" for
     * OPTIONS). Where it starts with '?', the rewritten head puts "/" first. */
    const char *path;
    size_t path_length;
    const char *authority; /* as written in the target, without userinfo */
    size_t authority_length;
    uint8_t minor;             /* HTTP/1.minor */
    enum wire_command command; /* WIRE_CONNECT or WIRE_FORWARD */
    struct wire_target target;
    struct wire_credentials credentials; /* Proxy-Authorization: Basic (RFC 7617) */
    struct http_body body;               /* for WIRE_FORWARD */
};

/* Parses one request head. Strict where laxness smuggles (RFC 9112 section 11.2): both
 * Content-Length and Transfer-Encoding, differing Content-Lengths, space before a colon, obs-fold,
 * bare CR, NUL, a Transfer-Encoding that does not end in chunked are WIRE_BAD. A bare LF as line
 * end is taken. Empty lines before the request line are skipped. Bytes that can be no HTTP request
 * are WIRE_BAD at the first such byte, so that a foreign protocol is answered at once. On WIRE_BAD
 * `outcome` is OUTCOME_MALFORMED; an https:// or ftp:// absolute-form and an origin-form target
 * (from a client that takes adit for a web server) likewise; HTTP/2 preface and versions other than
 * 1.x too; and a CONNECT that announces a body, as it would be unknown where the tunnel starts.
 * Proxy-Authorization of another scheme, that does not decode, that has a NUL or more than
 * WIRE_CREDENTIAL_MAX bytes in user or password, or that comes twice counts as not given. */
enum wire_status http_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                    struct http_request *request, enum outcome *outcome);

/* Writes the head to send to the origin: origin-form, Host from the target, hop-by-hop fields (RFC
 * 9110 section 7.6.1: Connection and what it names, Keep-Alive, Proxy-*, TE, Upgrade) left out,
 * Transfer-Encoding and Trailer kept as the body goes through untouched, "Connection: close" added,
 * every line end CRLF. `out` must hold http_rewrite_max(request) bytes; returns the length. */
size_t http_rewrite_max(const struct http_request *request);
size_t http_request_rewrite(const struct http_request *request, uint8_t *out);

/* Returns how many of `length` bytes belong to the body; `body` remembers between calls. Once
 * http_body_done, 0. `*bad` says whether chunked framing is malformed (strictly RFC 9112 section
 * 7.1: here a bare LF is); the bytes before the fault are counted, and nothing after it ever is. */
size_t http_body_take(struct http_body *body, const uint8_t *bytes, size_t length, bool *bad);
bool http_body_done(const struct http_body *body);

/* Parses a response head: finds its end and the status; `interim` for 1xx (another head follows)
 * but not for 101, after which the connection is not HTTP any more. Lenient where that does no
 * harm: bare LF, no reason phrase, obs-fold, lines that are no field. WIRE_BAD: not HTTP/1.x, NUL
 * in it, or longer than HTTP_HEAD_MAX, or with more than 64 Connection options. */
struct http_response {
    size_t head_length;
    uint16_t status;
    bool interim;
};
enum wire_status http_response_parse(const uint8_t *bytes, size_t length,
                                     struct http_response *response);

/* Writes the response head for the client: hop-by-hop fields out (Proxy-Status stays: RFC 9209
 * section 2), "Connection: close" in (not for interim responses), obs-fold and bare CR as spaces,
 * lines that are no field out, every line end CRLF. `out` must hold response->head_length +
 * HTTP_RESPONSE_EXTRA bytes; returns the length. */
#define HTTP_RESPONSE_EXTRA (HTTP_HEAD_MAX / 3 + 64) /* "a:" and LF, three bytes, gains a CR */
size_t http_response_rewrite(const struct http_response *response, const uint8_t *bytes,
                             uint8_t *out);

/* Writes the proxy's own answer. For OUTCOME_OK "HTTP/1.1 200 Connection established" and an empty
 * line. A failure carries Proxy-Status (RFC 9209: `adit; error=...; details="..."`), Content-Type:
 * text/plain in UTF-8, Content-Length, Connection: close, for 407 `Proxy-Authenticate: Basic
 * realm="adit", charset="UTF-8"`, for 405 Allow, and a body that names the target (NULL: not known;
 * bytes of it that are not shown, as base/visible.h says, become '?') and the cause. `detail` adds
 * the server's own words, or is NULL: bytes of it that are not printable ASCII become '?', and what
 * is too long is cut. Returns the length; no NUL is promised. */
#define HTTP_REPLY_MAX 2048
size_t http_reply(enum outcome outcome, const struct wire_target *target, const char *detail,
                  char out[static HTTP_REPLY_MAX]);

#endif

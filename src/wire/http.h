/* HTTP/1.x as a proxy receives it (RFC 9110, 9112): CONNECT and absolute-form. Pure; any thread. */
#ifndef ADIT_WIRE_HTTP_H
#define ADIT_WIRE_HTTP_H

#include "base/text.h"
#include "wire/outcome.h"
#include "wire/wire.h"

#define HTTP_HEAD_MAX 65536 /* a longer head is refused */

/* How many body bytes follow a head (RFC 9112 section 6.3). */
enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_body {
    enum http_framing framing;
    uint64_t left; /* HTTP_LENGTH: bytes still to come; HTTP_CHUNKED: of the current chunk */
    uint8_t state; /* http_body_take's own, for HTTP_CHUNKED */
};

/* What has been looked at of a head that comes in pieces, so that each line is judged once. Starts
 * zeroed; the bytes before `at` must come again, unchanged. */
struct http_progress {
    size_t begin;  /* where the first line starts */
    size_t at;     /* where the first line that has not been judged starts */
    bool too_long; /* after WIRE_BAD: the head has more than HTTP_HEAD_MAX bytes */
};

/* What becomes of a connection after a message (RFC 9112 section 9). */
enum http_connection { HTTP_CLOSE, HTTP_KEEP, HTTP_UPGRADE };

#define HTTP_UPGRADE_MAX 128 /* a longer Upgrade field is not passed on */

/* A request head. Slices point into the bytes that were parsed. */
struct http_request {
    const char *head;
    size_t head_length; /* with the empty line */
    const char *method;
    size_t method_length;
    /* What follows the authority of an absolute-form target, without a fragment; where that is
     * nothing, "/" ("*" for OPTIONS). Where it starts with '?', the rewritten head puts "/" first.
     */
    const char *path;
    size_t path_length;
    const char *authority; /* as written in the target, without userinfo */
    size_t authority_length;
    uint8_t minor;             /* HTTP/1.minor */
    enum wire_command command; /* WIRE_CONNECT or WIRE_FORWARD */
    struct wire_target target;
    struct wire_credentials credentials; /* Proxy-Authorization: Basic (RFC 7617) */
    struct http_body body;               /* for WIRE_FORWARD */
    bool close;      /* the client's connection is to be closed after the response */
    bool is_head;    /* HEAD: its response has no body */
    bool repeatable; /* idempotent (RFC 9110 section 9.2.2), and without a body */
    /* OUTCOME_OK; or what TRACE or OPTIONS with Max-Forwards: 0 gets from the proxy itself (RFC
     * 9110 section 7.6.2): OUTCOME_COMMAND, OUTCOME_LAST_HOP. */
    enum outcome last_hop;
    struct text upgrade; /* the protocols that may be switched to (section 7.8); empty: none */
};

/* Parses one request head. Strict where laxness smuggles (RFC 9112 section 11.2): both
 * Content-Length and Transfer-Encoding, differing Content-Lengths, space before a colon, obs-fold,
 * bare CR, NUL, a Transfer-Encoding that does not end in chunked are WIRE_BAD. A bare LF as line
 * end is taken. Empty lines before the request line are skipped. Bytes that can be no HTTP request
 * are WIRE_BAD at the first such byte, so that a foreign protocol is answered at once. On WIRE_BAD
 * `outcome` says why: OUTCOME_HEAD_TOO_LARGE; OUTCOME_SCHEME for a URL that is not http:;
 * OUTCOME_NO_PROXY_REQUEST for an origin-form target (from a client that takes adit for a web
 * server); and OUTCOME_MALFORMED, also for an HTTP/2 preface, versions other than 1.x, and a
 * CONNECT that announces a body, as it would be unknown where the tunnel starts.
 * Proxy-Authorization of another scheme, that does not decode, that has a NUL or more than
 * WIRE_CREDENTIAL_MAX bytes in user or password, or that comes twice counts as not given. A client
 * that speaks HTTP/1.0 is not kept (RFC 9112 appendix C.2.2), and neither is one that says "close"
 * in Connection or Proxy-Connection; what else is in Proxy-Connection is not looked at. */
enum wire_status http_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                    struct http_request *request, enum outcome *outcome);

/* The same, with what the calls before have looked at. */
enum wire_status http_request_parse_on(const uint8_t *bytes, size_t length,
                                       struct http_progress *progress, size_t *used,
                                       struct http_request *request, enum outcome *outcome);

/* Writes the head to send to the origin: origin-form, Host from the target, hop-by-hop fields (RFC
 * 9110 section 7.6.1: Connection and what it names, Keep-Alive, Proxy-*, TE, Upgrade) left out,
 * Transfer-Encoding and Trailer kept as the body goes through untouched (Content-Length as a plain
 * number, Transfer-Encoding as a plain list), Max-Forwards of TRACE and
 * OPTIONS one less, Via added (RFC 9110 section 7.6.3), every line end CRLF. With HTTP_UPGRADE the
 * Upgrade field goes on. `out` must hold http_rewrite_max(request) bytes; returns the length. */
size_t http_rewrite_max(const struct http_request *request);
size_t http_request_rewrite(const struct http_request *request, enum http_connection connection,
                            uint8_t *out);

/* What a client that speaks no HTTP seems to speak, from its first bytes, as a few words for the
 * log: "a TLS ClientHello came, ..."; NULL: not known. */
const char *http_foreign(const uint8_t *bytes, size_t length);

/* Returns how many of `length` bytes belong to the body; `body` remembers between calls. Once
 * http_body_done, 0. `*bad` says whether chunked framing is malformed (strictly RFC 9112 section
 * 7.1: here a bare LF is); the bytes before the fault are counted, and nothing after it ever is. */
size_t http_body_take(struct http_body *body, const uint8_t *bytes, size_t length, bool *bad);
bool http_body_done(const struct http_body *body);

/* A response head. */
struct http_response {
    size_t head_length;
    uint16_t status;
    uint8_t minor;         /* HTTP/1.minor */
    bool icy;              /* "ICY 200 OK", as SHOUTcast servers say for HTTP/1.0 */
    bool interim;          /* 1xx but not 101: another head follows */
    bool close;            /* the origin's connection does not serve another request */
    bool faulty;           /* Transfer-Encoding in HTTP/1.0: the framing is not to be trusted */
    struct http_body body; /* as the fields have it: see http_response_body */
    struct text upgrade;   /* the protocol that a 101 switches to; empty: none */
};

/* Parses a response head. Lenient where that does no harm: bare LF, no reason phrase, obs-fold,
 * lines that are no field. WIRE_BAD: not HTTP/1.x, NUL in it, longer than HTTP_HEAD_MAX, more than
 * 64 Connection options, or a Content-Length that is no number or differs from another one (RFC
 * 9112 section 6.3). Where Transfer-Encoding comes with Content-Length it decides, and
 * Content-Length is left out. `progress` as for requests. */
enum wire_status http_response_parse(const uint8_t *bytes, size_t length,
                                     struct http_progress *progress,
                                     struct http_response *response);

/* How the body of that response ends (RFC 9112 section 6.3), if the request is HEAD or not. */
struct http_body http_response_body(const struct http_response *response, bool is_head);

/* Whether the response switches to a protocol that was asked for by these words of an Upgrade field
 * (RFC 9110 section 7.8). */
bool http_response_upgrades(const struct http_response *response, struct text asked);

/* Writes the response head for the client: hop-by-hop fields out (Proxy-Status stays: RFC 9209
 * section 2), HTTP/1.1 as the version unless the framing is faulty, "Connection: close" in for
 * HTTP_CLOSE (not for interim responses), Connection and Upgrade for HTTP_UPGRADE, Via in, obs-fold
 * and bare CR as spaces, lines that are no field out, every line end CRLF. `out` must hold
 * response->head_length + HTTP_RESPONSE_EXTRA bytes; returns the length. */
#define HTTP_RESPONSE_EXTRA (HTTP_HEAD_MAX / 3 + 128) /* "a:" and LF, three bytes, gains a CR */
size_t http_response_rewrite(const struct http_response *response, const uint8_t *bytes,
                             enum http_connection connection, uint8_t *out);

/* Writes the proxy's own answer. For OUTCOME_OK "HTTP/1.1 200 Connection established" and an empty
 * line, for OUTCOME_LAST_HOP 200 and Allow. A failure carries Proxy-Status (RFC 9209: `adit;
 * error=...; details="..."`), Content-Type: text/plain in UTF-8, X-Content-Type-Options,
 * Content-Length, Connection: close, for 407 `Proxy-Authenticate: Basic realm="adit",
 * charset="UTF-8"`, for 405 Allow, for
 * those of limits Retry-After, and a body that names the target (NULL: not known; bytes of it
 * that are not shown, as base/visible.h says, become '?') and the cause. `detail` adds the server's
 * own words, or is NULL: bytes of it that are not printable ASCII become '?', and what is too long
 * is cut. Returns the length; no NUL is promised. */
#define HTTP_REPLY_MAX 2048
size_t http_reply(enum outcome outcome, const struct wire_target *target, const char *detail,
                  char out[static HTTP_REPLY_MAX]);

#endif

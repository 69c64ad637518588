/* What a client asks for: the first byte decides the protocol, the parsers of wire/ do the rest. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "wire/socks4.h"
#include "wire/socks5.h"

#include <string.h>

/* Each of the parsing functions returns what it found, or CLIENT_NOTHING if more bytes are needed;
 * or PARSE_ON if there may be more to parse in the bytes that have come. */
#define PARSE_ON CLIENT_BYTES

static bool needs_password(const struct client *c)
{
    return c->listen->auth == LISTEN_AUTH_PASSWORD;
}

static enum client_event request_is_whole(struct client *c)
{
    char text[HOSTPORT_TEXT_MAX];
    const struct wire_target *target = &c->request->target;

    c->wish.target = mem_strdup(hostport_format(target->host, target->port, text));
    c->outcome = OUTCOME_GIVEN_UP; /* (until it is answered) */
    return CLIENT_REQUESTED;
}

static enum client_event parse_socks5_method(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    struct socks5_greeting offered;
    uint8_t method = needs_password(c) ? SOCKS5_METHOD_PASSWORD : SOCKS5_METHOD_NONE;
    uint8_t reply[2];
    size_t used;

    switch (socks5_greeting_parse(buffer_data(&reading->in), buffer_length(&reading->in), &used,
                                  &offered)) {
    case WIRE_MORE: return CLIENT_NOTHING;
    case WIRE_BAD: return client_refused(c, OUTCOME_MALFORMED, NULL);
    case WIRE_OK: break;
    }
    buffer_consume(&reading->in, used);
    if (needs_password(c) ? !offered.password : !offered.none)
        return client_refused(c, OUTCOME_AUTHENTICATION, NULL);
    endpoint_send(c->endpoint, reply, socks5_method_reply(method, reply));
    reading->greeted = true;
    reading->wants_password = needs_password(c);
    return PARSE_ON;
}

static enum client_event parse_socks5_password(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    size_t used;

    switch (socks5_password_parse(buffer_data(&reading->in), buffer_length(&reading->in), &used,
                                  &reading->credentials)) {
    case WIRE_MORE: return CLIENT_NOTHING;
    case WIRE_BAD: return client_refused(c, OUTCOME_AUTHENTICATION, NULL);
    case WIRE_OK: break;
    }
    buffer_consume_secret(&reading->in, used);
    return CLIENT_CREDENTIALS;
}

static void take_socks(struct client *c, const struct socks_request *socks, size_t used)
{
    c->wish.command = socks->command;
    c->request->target = socks->target;
    buffer_consume(&c->request->reading.in, used);
}

static enum client_event parse_socks5_request(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    struct socks_request socks;
    size_t used;

    switch (socks5_request_parse(buffer_data(&reading->in), buffer_length(&reading->in), &used,
                                 &socks)) {
    case WIRE_MORE: return CLIENT_NOTHING;
    case WIRE_BAD: return client_refused(c, socks.outcome, NULL);
    case WIRE_OK: break;
    }
    take_socks(c, &socks, used);
    return request_is_whole(c);
}

static enum client_event parse_socks5(struct client *c)
{
    if (!c->request->reading.greeted)
        return parse_socks5_method(c);
    if (c->request->reading.wants_password)
        return parse_socks5_password(c);
    return parse_socks5_request(c);
}

static enum client_event parse_socks4(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    struct socks_request socks; /* (its user is not proved, so the rules do not use it) */
    size_t used;

    switch (socks4_request_parse(buffer_data(&reading->in), buffer_length(&reading->in), &used,
                                 &socks)) {
    case WIRE_MORE: return CLIENT_NOTHING;
    case WIRE_BAD: return client_refused(c, socks.outcome, NULL);
    case WIRE_OK: break;
    }
    take_socks(c, &socks, used);
    return needs_password(c) ? client_refused(c, OUTCOME_AUTHENTICATION, NULL)
                             : request_is_whole(c);
}

/* The first bytes are always parsed, as they show what is no HTTP at all. */
#define HTTP_LOOK_ALWAYS 256

/* Whether parsing would bring nothing new. A head that comes byte by byte is parsed only when a
 * line is whole: else it would cost the square of its length. */
static bool is_within_line(const struct client_reading *reading)
{
    size_t length = buffer_length(&reading->in);

    return reading->looked_at > HTTP_LOOK_ALWAYS && length < HTTP_HEAD_MAX &&
           memchr(buffer_data(&reading->in) + reading->looked_at, '\n',
                  length - reading->looked_at) == NULL;
}

static void take_http(struct client *c, struct http_request *http)
{
    struct client_request *r = c->request;
    enum http_connection connection = http->upgrade.length > 0 ? HTTP_UPGRADE
                                      : http->close            ? HTTP_CLOSE
                                                               : HTTP_KEEP;

    c->wish.command = http->command;
    r->target = http->target;
    r->reading.credentials = http->credentials;
    r->http = (struct client_http){
        .body = http->body,
        .old = http->minor == 0,
        .close = http->close,
        .is_head = http->is_head,
        .repeatable = http->repeatable,
        .last_hop = http->last_hop,
    };
    if (http->upgrade.length > 0)
        memcpy(r->http.upgrade, http->upgrade.at, http->upgrade.length);
    if (http->command == WIRE_FORWARD) {
        uint8_t *head = buffer_reserve(&r->head, http_rewrite_max(http));
        buffer_commit(&r->head, http_request_rewrite(http, connection, head));
    }
    explicit_bzero(&http->credentials, sizeof(http->credentials));
}

/* What is no HTTP may be the mark of another protocol, which the log then names. */
static enum client_event refuse_http(struct client *c, enum outcome outcome)
{
    const struct buffer *in = &c->request->reading.in;
    const char *foreign = http_foreign(buffer_data(in), buffer_length(in));

    return client_refused(c, outcome, outcome == OUTCOME_MALFORMED ? foreign : NULL);
}

static enum client_event parse_http(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    struct http_request http;
    enum outcome bad = OUTCOME_MALFORMED;
    size_t used;

    if (is_within_line(reading))
        return CLIENT_NOTHING;
    reading->looked_at = buffer_length(&reading->in);
    switch (http_request_parse_on(buffer_data(&reading->in), buffer_length(&reading->in),
                                  &reading->progress, &used, &http, &bad)) {
    case WIRE_MORE: return CLIENT_NOTHING;
    case WIRE_BAD: return refuse_http(c, bad);
    case WIRE_OK: break;
    }
    take_http(c, &http);
    buffer_consume_secret(&reading->in, used);
    if (!needs_password(c))
        return request_is_whole(c);
    if (!reading->credentials.given)
        return client_refused(c, OUTCOME_AUTHENTICATION, NULL);
    reading->whole = true;
    return CLIENT_CREDENTIALS;
}

static enum client_event parse_protocol(struct client *c)
{
    const struct client_reading *reading = &c->request->reading;

    if (buffer_length(&reading->in) == 0)
        return CLIENT_NOTHING;
    c->wish.protocol = wire_sniff(buffer_data(&reading->in)[0]);
    c->wish.protocol_known = true;
    c->outcome = OUTCOME_MALFORMED; /* (until the request is whole) */
    if (c->listen->protocols[c->wish.protocol])
        return PARSE_ON;
    c->words = "protocol not served";
    return CLIENT_UNSERVED;
}

static enum client_event parse_some(struct client *c)
{
    if (c->request->reading.wants_header)
        return client_parse_header(c);
    if (!c->wish.protocol_known)
        return parse_protocol(c);
    if (c->request->reading.whole)
        return request_is_whole(c);
    switch (c->wish.protocol) {
    case WIRE_SOCKS5: return parse_socks5(c);
    case WIRE_SOCKS4: return parse_socks4(c);
    case WIRE_HTTP: return parse_http(c);
    }
    return CLIENT_NOTHING;
}

enum client_event client_parse(struct client *c)
{
    enum client_event found;

    do
        found = parse_some(c);
    while (found == PARSE_ON);
    if (found != CLIENT_NOTHING || !c->request->reading.eof)
        return found;
    c->words = "closed before asking";
    return CLIENT_TRUNCATED;
}

/* An HTTP request to a proxy: its syntax, what it means, and the head the origin gets. */
#include "wire/http.h"

#include "wire/http_head.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

static bool is_target_char(char c)
{
    return (uint8_t)c > ' ' && c != 0x7f;
}

/* RFC 9112 section 3; all line checks judge a line's beginning as well, see http_line_check. */
static bool request_line_check(const struct http_line *line)
{
    static const char form[] = "HTTP/1.#";
    const char *text = line->text;

    size_t method = http_token_span(text, line->length);
    if (method == line->length)
        return !line->ended;
    if (method == 0 || text[method] != ' ')
        return false;
    size_t target = method + 1, at = target;
    while (at < line->length && is_target_char(text[at]))
        at++;
    if (at == line->length)
        return !line->ended;
    if (at == target || text[at] != ' ')
        return false;
    size_t version_length = line->length - (at + 1);
    if (version_length > strlen(form) || !http_has_form(text + at + 1, version_length, form))
        return false;
    return version_length == strlen(form) || !line->ended;
}

/* RFC 9112 section 5. A line that starts with white space (obs-fold) has no name and fails. */
static bool field_line_check(const struct http_line *line)
{
    size_t at = http_token_span(line->text, line->length);
    if (at == line->length)
        return !line->ended;
    if (at == 0 || line->text[at] != ':')
        return false;
    while (++at < line->length)
        if (!http_is_value_char(line->text[at]))
            return false;
    return true;
}

/* Skips empty lines before the request line (RFC 9112 section 2.2). False: more must come to tell.
 */
static bool skip_empty_lines(struct text bytes, struct http_progress *progress)
{
    while (progress->begin < bytes.length) {
        size_t cr = bytes.at[progress->begin] == '\r' ? 1 : 0;
        if (progress->begin + cr == bytes.length)
            return false;
        if (bytes.at[progress->begin + cr] != '\n')
            return true;
        progress->begin += cr + 1;
    }
    return true;
}

/* What the fields say, gathered before it is judged. */
struct facts {
    struct http_request *request;
    struct http_options options;
    bool host;
    bool length;
    bool transfer_encoding;
    bool chunked;
    bool proxy_authorization;
    bool proxy_close;
    bool upgrade;
};

/* Methods are compared with regard to case (RFC 9110 section 9.1). */
static bool method_is(const struct http_request *request, const char *method)
{
    return request->method_length == strlen(method) &&
           memcmp(request->method, method, request->method_length) == 0;
}

/* RFC 9112 section 3.2: two Host fields contradict each other. */
static bool take_host(struct facts *facts, struct text value)
{
    (void)value; /* the target decides, not Host (section 3.2.2) */
    bool first = !facts->host;
    facts->host = true;
    return first;
}

static bool take_content_length(struct facts *facts, struct text value)
{
    return http_take_length(value, &facts->length, &facts->request->body.left);
}

static bool take_transfer_encoding(struct facts *facts, struct text value)
{
    facts->transfer_encoding = true;
    return http_take_codings(value, &facts->chunked);
}

static bool take_proxy_authorization(struct facts *facts, struct text value)
{
    struct wire_credentials *credentials = &facts->request->credentials;
    if (facts->proxy_authorization)
        memset(credentials, 0, sizeof *credentials);
    else
        http_basic_decode(value, credentials);
    facts->proxy_authorization = true;
    return true;
}

static bool take_proxy_connection(struct facts *facts, struct text value)
{
    struct text option;
    while (http_list_next(&value, &option))
        facts->proxy_close |= http_slice_is(option, "close");
    return true;
}

/* Two Upgrade fields, or a long one, count as none. */
static bool take_upgrade(struct facts *facts, struct text value)
{
    bool taken = !facts->upgrade && value.length <= HTTP_UPGRADE_MAX;
    facts->upgrade = true;
    facts->request->upgrade = taken ? value : (struct text){0};
    return true;
}

/* What is no number is passed on as it is. False: it is none. */
static bool read_max_forwards(struct text value, uint64_t *number)
{
    bool given = false;
    return http_take_length(value, &given, number);
}

/* RFC 9110 section 7.6.2: for other methods the field means nothing. */
static bool counts_forwards(const struct http_request *request)
{
    return method_is(request, "TRACE") || method_is(request, "OPTIONS");
}

static bool take_max_forwards(struct facts *facts, struct text value)
{
    uint64_t number;
    if (counts_forwards(facts->request) && read_max_forwards(value, &number) && number == 0)
        facts->request->last_hop =
            method_is(facts->request, "TRACE") ? OUTCOME_COMMAND : OUTCOME_LAST_HOP;
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct facts *facts, struct text value);
} takers[] = {
    {"Host", take_host},
    {"Content-Length", take_content_length},
    {"Transfer-Encoding", take_transfer_encoding},
    {"Proxy-Authorization", take_proxy_authorization},
    {"Proxy-Connection", take_proxy_connection},
    {"Upgrade", take_upgrade},
    {"Max-Forwards", take_max_forwards},
};

static bool take_head_fields(struct http_fields fields, struct facts *facts)
{
    struct http_field field;
    while (http_field_next(&fields, &field))
        for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++)
            if (http_slice_is(field.name, takers[i].name) && !takers[i].take(facts, field.value))
                return false;
    return true;
}

/* RFC 9112 section 6.3, for requests. */
static bool settle_body(const struct facts *facts)
{
    struct http_request *request = facts->request;
    struct http_body *body = &request->body;

    if (facts->transfer_encoding) {
        /* HTTP/1.0 knows no Transfer-Encoding: where a request has it all the same, the framing is
         * not to be trusted. */
        if (!facts->chunked || facts->length || request->minor == 0)
            return false;
        body->framing = HTTP_CHUNKED;
    } else if (facts->length) {
        body->framing = HTTP_LENGTH;
    }
    if (request->command != WIRE_CONNECT)
        return true;
    bool empty = body->framing != HTTP_CHUNKED && body->left == 0;
    body->framing = HTTP_NO_BODY;
    return empty;
}

/* What the message's form and Connection say of what follows it. */
static void settle_connection(const struct facts *facts)
{
    static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    struct http_request *request = facts->request;
    bool one = request->minor > 0;

    request->is_head = method_is(request, "HEAD");
    request->close = !one || facts->proxy_close || http_options_have(&facts->options, "close");
    if (!one || !http_options_have(&facts->options, "Upgrade"))
        request->upgrade = (struct text){0};
    for (size_t i = 0; i < sizeof idempotent / sizeof idempotent[0]; i++)
        if (method_is(request, idempotent[i]))
            request->repeatable = http_body_done(&request->body);
}

/* reg-name of RFC 3986 section 3.2.2, and raw UTF-8 as some clients send it. Without '@', '\\' and
 * such, about which two readers of one URI could differ. */
static bool is_reg_name(const char *text)
{
    for (; *text != '\0'; text++)
        if ((uint8_t)*text < 0x80 &&
            (strchr("#^`|", *text) != NULL ||
             (!http_is_token_char(*text) && strchr("(),;=", *text) == NULL)))
            return false;
    return true;
}

/* "host:port" or "[v6]:port"; `default_port` as for hostport_split. */
static bool take_authority(struct http_request *request, struct text authority,
                           uint16_t default_port)
{
    char host[HOST_MAX + 1];
    uint16_t port;

    if (!hostport_split(authority.at, authority.length, default_port, host, &port) ||
        !wire_target_set(&request->target, host, strlen(host), port))
        return false;
    request->authority = authority.at;
    request->authority_length = authority.length;
    bool v6_literal = strchr(host, ':') != NULL;
    return (authority.at[0] == '[') == v6_literal && (v6_literal || is_reg_name(host));
}

/* What a target is that does not begin with "http://". */
static enum outcome outcome_of_target(struct text target)
{
    size_t scheme = 0;
    if (*target.at == '/' || http_slice_is(target, "*"))
        return OUTCOME_NO_PROXY_REQUEST;
    while (scheme < target.length &&
           (http_is_token_char(target.at[scheme]) && target.at[scheme] != '%'))
        scheme++;
    text_skip(&target, scheme);
    return scheme > 0 && http_slice_starts(target, "://") ? OUTCOME_SCHEME : OUTCOME_MALFORMED;
}

/* RFC 9112 section 3.2.2, of which only http: can be forwarded as it is; some clients
 * say ws: for it, where they mean to upgrade. A fragment is the client's
 * own business (RFC 9110 section 7.1); some send it all the same. */
static bool take_absolute_form(struct http_request *request, struct text target,
                               enum outcome *outcome)
{
    static const char http[] = "http://", ws[] = "ws://";
    const char *scheme = http_slice_starts(target, ws) ? ws : http;
    if (!http_slice_starts(target, scheme)) {
        *outcome = outcome_of_target(target);
        return false;
    }
    const char *fragment = memchr(target.at, '#', target.length);
    if (fragment != NULL)
        target.length = (size_t)(fragment - target.at);
    const char *at = target.at + strlen(scheme), *end = target.at + target.length;
    const char *path = at;
    while (path < end && *path != '/' && *path != '?')
        path++;
    if (memchr(at, '\\', (size_t)(path - at)) != NULL)
        return false; /* URLs of the WHATWG read a backslash as a slash */
    const char *userinfo_end = memchr(at, '@', (size_t)(path - at));
    if (userinfo_end != NULL)
        at = userinfo_end + 1;

    request->path = path;
    request->path_length = (size_t)(end - path);
    if (path == end) {
        request->path = method_is(request, "OPTIONS") ? "*" : "/"; /* RFC 9112 section 3.2.4 */
        request->path_length = 1;
    }
    return take_authority(request, (struct text){at, (size_t)(path - at)}, 80);
}

/* Takes apart a line that passed request_line_check. */
static bool take_request_line(struct http_request *request, enum outcome *outcome)
{
    const char *end = memchr(request->head, '\n', request->head_length);
    const char *space = memchr(request->head, ' ', (size_t)(end - request->head));
    const char *target = space + 1;
    const char *target_end = memchr(target, ' ', (size_t)(end - target));
    struct text slice = {target, (size_t)(target_end - target)};

    request->method = request->head;
    request->method_length = (size_t)(space - request->head);
    request->minor = (uint8_t)(target_end[strlen(" HTTP/1.")] - '0');
    if (method_is(request, "CONNECT")) {
        request->command = WIRE_CONNECT;
        return take_authority(request, slice, 0);
    }
    request->command = WIRE_FORWARD;
    return take_absolute_form(request, slice, outcome);
}

enum wire_status http_request_scan(struct text bytes, struct http_progress *progress, size_t *end)
{
    static const struct http_form form = {request_line_check, field_line_check};

    if (!skip_empty_lines(bytes, progress) && bytes.length < HTTP_HEAD_MAX)
        return WIRE_MORE;
    return http_head_scan(bytes, progress, &form, end);
}

enum wire_status http_request_parse_on(const uint8_t *bytes, size_t length,
                                       struct http_progress *progress, size_t *used,
                                       struct http_request *request, enum outcome *outcome)
{
    struct text text = {(const char *)bytes, length};
    size_t end;

    *outcome = OUTCOME_MALFORMED;
    enum wire_status status = http_request_scan(text, progress, &end);
    if (progress->too_long)
        *outcome = OUTCOME_HEAD_TOO_LARGE;
    if (status != WIRE_OK)
        return status;

    struct http_request made = {.head = text.at + progress->begin,
                                .head_length = end - progress->begin};
    struct facts facts = {.request = &made};
    struct http_fields fields = http_fields_of(made.head, made.head_length);
    bool good = take_request_line(&made, outcome) && take_head_fields(fields, &facts) &&
                settle_body(&facts) && http_options_gather(fields, &facts.options);
    if (good) {
        settle_connection(&facts);
        *request = made;
        *used = end;
    }
    OPENSSL_cleanse(&made.credentials, sizeof made.credentials); /* the stack stays as it is */
    return good ? WIRE_OK : WIRE_BAD;
}

enum wire_status http_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                    struct http_request *request, enum outcome *outcome)
{
    struct http_progress progress = {0};

    return http_request_parse_on(bytes, length, &progress, used, request, outcome);
}

/* What a head gains: a slash before a query, "HTTP/1.1", "Host: ", Via, Connection, the name of
 * Upgrade, line ends. */
#define REWRITE_EXTRA 128

size_t http_rewrite_max(const struct http_request *request)
{
    /* A field of three bytes, "a:" and LF, gains a CR. */
    return request->head_length + request->head_length / 3 + REWRITE_EXTRA;
}

static uint8_t *put_start(const struct http_request *request, uint8_t *out)
{
    uint8_t *at = http_put(out, request->method, request->method_length);
    at = http_put_text(at, request->path[0] == '?' ? " /" : " ");
    at = http_put(at, request->path, request->path_length);
    at = http_put_text(at, request->minor == 0 ? " HTTP/1.0\r\nHost: " : " HTTP/1.1\r\nHost: ");
    at = http_put(at, request->authority, request->authority_length);
    return http_put_text(at, "\r\n");
}

/* One less than it was, which is not 0: that head goes nowhere. */
static uint8_t *put_max_forwards(uint8_t *out, const struct http_field *field)
{
    char line[sizeof "Max-Forwards: 18446744073709551615"];
    uint64_t number;

    if (!read_max_forwards(field->value, &number) || number == 0)
        return http_put_field(out, field);
    int length = snprintf(line, sizeof line, "Max-Forwards: %" PRIu64, number - 1);
    return http_put_line(out, (struct text){line, (size_t)length});
}

static uint8_t *put_end(const struct http_request *request, enum http_connection connection,
                        uint8_t *out)
{
    out = http_put_via(out, request->minor);
    if (connection == HTTP_UPGRADE) {
        out = http_put_text(out, "Connection: Upgrade\r\nUpgrade: ");
        out = http_put_line(out, request->upgrade);
    } else if (connection == HTTP_CLOSE) {
        out = http_put_text(out, "Connection: close\r\n");
    }
    return http_put_text(out, "\r\n");
}

size_t http_request_rewrite(const struct http_request *request, enum http_connection connection,
                            uint8_t *out)
{
    struct http_fields fields = http_fields_of(request->head, request->head_length);
    struct http_options options;
    http_options_gather(fields, &options);

    uint8_t *at = put_start(request, out);
    bool length_sent = false;
    struct http_field field;
    while (http_field_next(&fields, &field)) {
        bool is_length = http_slice_is(field.name, "Content-Length");
        if (http_slice_is(field.name, "Host") || (is_length && length_sent) ||
            http_field_is_hop_by_hop(&field, &options))
            continue;
        length_sent = length_sent || is_length;
        if (counts_forwards(request) && http_slice_is(field.name, "Max-Forwards"))
            at = put_max_forwards(at, &field);
        else
            at = http_put_checked(at, &field);
    }
    return (size_t)(put_end(request, connection, at) - out);
}

#define PROXY_HEADER                                                                               \
    "a header of the PROXY protocol came, which is taken from proxy_from only, by a listener "     \
    "with "                                                                                        \
    "proxy_protocol"

const char *http_foreign(const uint8_t *bytes, size_t length)
{
    static const struct {
        const char *start;
        size_t length;
        size_t least; /* so many of them tell */
        const char *words;
    } foreign[] = {
        {"\x16\x03", 2, 1, "a TLS ClientHello came, and no TLS is spoken here"},
        {"SSH-", 4, 4, "an SSH banner came: this is no SSH server"},
        {"PROXY ", 6, 6, PROXY_HEADER},
        {"\r\n\r\n\0\r\nQUIT\n", 12, 5, PROXY_HEADER},
        {"PRI * HTTP/2", 12, 12, "an HTTP/2 preface came: only HTTP/1 is spoken here"},
    };
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        size_t known = foreign[i].length < length ? foreign[i].length : length;
        if (known >= foreign[i].least && memcmp(bytes, foreign[i].start, known) == 0)
            return foreign[i].words;
    }
    return NULL;
}

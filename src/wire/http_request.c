/* An HTTP request to a proxy: its syntax, what it means, and the head the origin gets. */
#include "wire/http.h"

#include "wire/http_head.h"

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

/* How many bytes of empty lines come before the request line (RFC 9112 section 2.2). */
static size_t leading_empty_lines(const char *bytes, size_t length)
{
    size_t at = 0;
    for (;;) {
        size_t cr = at < length && bytes[at] == '\r' ? 1 : 0;
        if (at + cr == length)
            return cr == 0 ? at : length;
        if (bytes[at + cr] != '\n')
            return at;
        at += cr + 1;
    }
}

/* What the fields say, gathered before it is judged. */
struct facts {
    struct http_request *request;
    bool host;
    bool length;
    bool transfer_encoding;
    bool chunked;
    bool proxy_authorization;
};

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
    uint64_t number = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(value.at[i] - '0'), &number))
            return false;
    }
    bool same = !facts->length || facts->request->body.left == number;
    facts->length = true;
    facts->request->body.left = number;
    return value.length > 0 && same;
}

/* Codings without parameters, "chunked" once and last (RFC 9112 section 6.1). */
static bool take_transfer_encoding(struct facts *facts, struct text value)
{
    struct text coding;
    facts->transfer_encoding = true;
    while (http_list_next(&value, &coding)) {
        if (facts->chunked || http_token_span(coding.at, coding.length) != coding.length)
            return false;
        facts->chunked = http_slice_is(coding, "chunked");
    }
    return true;
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

static const struct {
    const char *name;
    bool (*take)(struct facts *facts, struct text value);
} takers[] = {
    {"Host", take_host},
    {"Content-Length", take_content_length},
    {"Transfer-Encoding", take_transfer_encoding},
    {"Proxy-Authorization", take_proxy_authorization},
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

/* reg-name of RFC 3986 section 3.2.2, and raw UTF-8 as some clients send it. Without '@', '\\' and
 * such, about which two readers of one URI could differ. */
static bool is_reg_name(const char *text)
{
    for (; *text != '\0'; text++)
        if ((uint8_t)*text < 0x80 && !http_is_token_char(*text) && strchr("(),;=", *text) == NULL)
            return false;
    return strpbrk(text, "#^`|") == NULL;
}

/* Methods are compared with regard to case (RFC 9110 section 9.1). */
static bool method_is(const struct http_request *request, const char *method)
{
    return request->method_length == strlen(method) &&
           memcmp(request->method, method, request->method_length) == 0;
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

/* RFC 9112 section 3.2.2, of which only http: can be forwarded as it is. */
static bool take_absolute_form(struct http_request *request, struct text target)
{
    static const char scheme[] = "http://";
    if (!http_slice_starts(target, scheme) || memchr(target.at, '#', target.length) != NULL)
        return false;
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
static bool take_request_line(struct http_request *request)
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
    return take_absolute_form(request, slice);
}

enum wire_status http_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                    struct http_request *request, enum outcome *outcome)
{
    static const struct http_form form = {request_line_check, field_line_check};
    const char *text = (const char *)bytes;
    size_t start = leading_empty_lines(text, length), end;

    *outcome = OUTCOME_MALFORMED;
    enum wire_status status = http_head_scan((struct text){text, length}, start, &form, &end);
    if (status != WIRE_OK)
        return status;

    struct http_request made = {.head = text + start, .head_length = end - start};
    struct facts facts = {.request = &made};
    struct http_fields fields = http_fields_of(made.head, made.head_length);
    struct http_options options;
    if (!take_request_line(&made) || !take_head_fields(fields, &facts) || !settle_body(&facts) ||
        !http_options_gather(fields, &options))
        return WIRE_BAD;
    *request = made;
    *used = end;
    return WIRE_OK;
}

/* What a head gains: a slash before a query, "HTTP/1.1", "Host: ", "Connection: close", line ends.
 */
#define REWRITE_EXTRA 64

size_t http_rewrite_max(const struct http_request *request)
{
    /* A field of three bytes, "a:" and LF, gains a CR. */
    return request->head_length + request->head_length / 3 + REWRITE_EXTRA;
}

size_t http_request_rewrite(const struct http_request *request, uint8_t *out)
{
    struct http_fields fields = http_fields_of(request->head, request->head_length);
    struct http_options options;
    http_options_gather(fields, &options);

    uint8_t *at = http_put(out, request->method, request->method_length);
    at = http_put_text(at, request->path[0] == '?' ? " /" : " ");
    at = http_put(at, request->path, request->path_length);
    at = http_put_text(at, request->minor == 0 ? " HTTP/1.0\r\nHost: " : " HTTP/1.1\r\nHost: ");
    at = http_put(at, request->authority, request->authority_length);
    at = http_put_text(at, "\r\n");

    bool length_sent = false;
    struct http_field field;
    while (http_field_next(&fields, &field)) {
        bool is_length = http_slice_is(field.name, "Content-Length");
        if (http_slice_is(field.name, "Host") || (is_length && length_sent) ||
            http_field_is_hop_by_hop(&field, &options))
            continue;
        length_sent = length_sent || is_length;
        at = http_put_field(at, &field);
    }
    at = http_put_text(at, "Connection: close\r\n\r\n");
    return (size_t)(at - out);
}

/* A request to an origin server. */
#include "wire/http_origin.h"

#include "wire/http_head.h"

#include <string.h>
#include <strings.h>

/* What the fields say, gathered before it is judged. */
struct origin_facts {
    struct http_origin_request *request;
    bool host;
    bool length_given;
    uint64_t length;
    bool transfer_encoding;
    bool authorization;
};

/* "" is what a client says that knows no host (RFC 9112 section 3.2). */
static bool take_authority_text(struct http_origin_request *request, struct text text)
{
    struct ip ip;
    uint16_t port;

    request->host[0] = '\0';
    if (text.length == 0)
        return true;
    if (memchr(text.at, '@', text.length) != NULL ||
        !hostport_split(text.at, text.length, 80, request->host, &port))
        return false;
    bool bracketed = text.at[0] == '[';
    if (bracketed != (strchr(request->host, ':') != NULL))
        return false;
    host_normalise(request->host);
    request->host_is_address = ip_parse(request->host, &ip);
    return true;
}

/* (An absolute-form target decides whatever Host says: RFC 9112 section 3.2.2.) */
static bool take_host_field(struct origin_facts *facts, struct text value)
{
    if (facts->host)
        return false;
    facts->host = true;
    return take_authority_text(facts->request, value);
}

static bool take_origin_field(struct origin_facts *facts, const struct http_field *field)
{
    struct http_origin_request *request = facts->request;
    bool chunked = false;

    if (http_slice_is(field->name, "Host"))
        return take_host_field(facts, field->value);
    if (http_slice_is(field->name, "Content-Length"))
        return http_take_length(field->value, &facts->length_given, &facts->length);
    if (http_slice_is(field->name, "Transfer-Encoding")) {
        facts->transfer_encoding = true;
        return http_take_codings(field->value, &chunked);
    }
    if (http_slice_is(field->name, "Authorization")) {
        if (facts->authorization)
            memset(&request->credentials, 0, sizeof(request->credentials));
        else
            http_basic_decode(field->value, &request->credentials);
        facts->authorization = true;
    }
    if (http_slice_is(field->name, "Accept") && request->accept.at == NULL)
        request->accept = field->value;
    return true;
}

/* Splits a target that is a path with or without a query. */
static void take_path(struct http_origin_request *request, struct text target)
{
    struct text fragment_free = text_until(target, '#');

    request->query = fragment_free;
    request->path = text_take_until(&request->query, '?');
}

/* `target` is the whole target of the request line. */
static bool take_origin_target(struct http_origin_request *request, struct text target)
{
    static const char scheme[] = "http://";

    if (!http_slice_starts(target, scheme)) {
        take_path(request, target);
        return true;
    }
    text_skip(&target, strlen(scheme));
    size_t length = 0;
    while (length < target.length && target.at[length] != '/' && target.at[length] != '?' &&
           target.at[length] != '#')
        length++;
    if (!take_authority_text(request, (struct text){target.at, length}) || request->host[0] == '\0')
        return false;
    text_skip(&target, length);
    take_path(request, target);
    if (request->path.length == 0)
        request->path = (struct text){"/", 1};
    return true;
}

/* Takes apart a request line that was scanned; returns the minor version. */
static uint8_t split_line(struct text head, struct text *method, struct text *target)
{
    const char *end = memchr(head.at, '\n', head.length);
    struct text line = {head.at, (size_t)(end - head.at)};

    *method = text_take_until(&line, ' ');
    *target = text_take_until(&line, ' ');
    return (uint8_t)(line.at[strlen("HTTP/1.")] - '0');
}

enum wire_status http_origin_parse(const uint8_t *bytes, size_t length,
                                   struct http_progress *progress, size_t *used,
                                   struct http_origin_request *request)
{
    size_t end;
    enum wire_status status =
        http_request_scan((struct text){(const char *)bytes, length}, progress, &end);
    if (status != WIRE_OK)
        return status;

    struct text head = {(const char *)bytes + progress->begin, end - progress->begin};
    struct http_origin_request made = {0};
    struct origin_facts facts = {.request = &made};
    struct http_fields fields = http_fields_of(head.at, head.length);
    struct http_options options;
    struct http_field field;
    struct text target;
    uint8_t minor = split_line(head, &made.method, &target);
    if (!http_options_gather(fields, &options))
        return WIRE_BAD;
    while (http_field_next(&fields, &field))
        if (!take_origin_field(&facts, &field))
            return WIRE_BAD;
    if (!take_origin_target(&made, target) || (facts.transfer_encoding && facts.length_given))
        return WIRE_BAD;
    made.is_get = text_is(made.method, "GET");
    made.is_head = text_is(made.method, "HEAD");
    made.has_body = facts.transfer_encoding || facts.length > 0;
    made.close = minor == 0 || http_options_have(&options, "close");
    *request = made;
    *used = end;
    return WIRE_OK;
}

/* Content negotiation. */

static struct text blank_free(struct text text)
{
    while (text.length > 0 && (*text.at == ' ' || *text.at == '\t'))
        text_skip(&text, 1);
    while (text.length > 0 && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* "0.5", "1": thousandths (RFC 9110 section 12.4.2). What is no weight counts as 1. */
static unsigned weight_of(struct text value)
{
    unsigned weight = 0, unit = 1000;

    for (size_t i = 0; i < value.length && i < strlen("0.123"); i++) {
        if (i == 1 && value.at[i] == '.')
            continue;
        if (value.at[i] < '0' || value.at[i] > '9')
            return 1000;
        weight += (unsigned)(value.at[i] - '0') * unit;
        unit /= 10;
    }
    return value.length > 0 && weight < 1000 ? weight : 1000;
}

/* How exactly a range names a type: 0 not at all, 1 for any, 2 for its kind, 3 for itself. */
static unsigned exactness(struct text range, const char *type)
{
    size_t kind = strcspn(type, "/") + 1;

    if (http_slice_is(range, type))
        return 3;
    if (http_slice_is(range, "*/*"))
        return 1;
    return range.length == kind + 1 && range.at[kind] == '*' &&
                   strncasecmp(range.at, type, kind) == 0
               ? 2
               : 0;
}

unsigned http_accept_weight(struct text accept, const char *type, const char *parameter)
{
    struct text element;
    unsigned best = 0, weight = 0;

    while (http_list_next(&accept, &element)) {
        unsigned exact = exactness(blank_free(text_take_until(&element, ';')), type);
        unsigned its_weight = 1000;
        bool has_parameter = parameter == NULL;
        while (element.length > 0) {
            struct text one = blank_free(text_take_until(&element, ';'));
            has_parameter = has_parameter || http_slice_is(one, parameter);
            if (http_slice_starts(one, "q="))
                its_weight = weight_of((struct text){one.at + 2, one.length - 2});
        }
        if (!has_parameter || exact == 0 || exact < best)
            continue;
        weight = exact > best || its_weight > weight ? its_weight : weight;
        best = exact;
    }
    return weight;
}

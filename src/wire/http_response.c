/* An HTTP response on its way from the origin to the client. */
#include "wire/http.h"

#include "wire/http_head.h"

#include <string.h>
#include <strings.h>

static const char status_form[] = "HTTP/1.# ###";
static const char icy_form[] = "ICY ###";

/* RFC 9112 section 4; the reason phrase and the space before it may be missing. */
static bool line_has_form(const struct http_line *line, const char *form)
{
    size_t form_length = strlen(form);
    if (!http_has_form(line->text, line->length, form))
        return false;
    if (line->length <= form_length)
        return line->length == form_length || !line->ended;
    return line->text[form_length] == ' ' && memchr(line->text, '\0', line->length) == NULL;
}

static bool status_line_check(const struct http_line *line)
{
    return line_has_form(line, status_form) || line_has_form(line, icy_form);
}

static bool any_line_check(const struct http_line *line)
{
    return line->length == 0 || memchr(line->text, '\0', line->length) == NULL;
}

/* What the fields say of the body, and of what follows it. */
struct framing {
    bool length_given;
    bool transfer_encoding;
    bool codings_bad;
    bool chunked;
    uint64_t length;
};

/* False: Content-Length contradicts itself. */
static bool take_framing(struct http_fields fields, struct framing *framing,
                         struct http_response *response)
{
    struct http_field field;
    while (http_field_next(&fields, &field)) {
        if (http_slice_is(field.name, "Content-Length")) {
            if (!http_take_length(field.value, &framing->length_given, &framing->length))
                return false;
        } else if (http_slice_is(field.name, "Transfer-Encoding")) {
            framing->transfer_encoding = true;
            if (!http_take_codings(field.value, &framing->chunked))
                framing->codings_bad = true;
        } else if (http_slice_is(field.name, "Upgrade")) {
            response->upgrade = field.value;
        }
    }
    return true;
}

/* RFC 9112 sections 6.3 and 9.3. */
static void settle(struct http_response *response, const struct framing *framing,
                   const struct http_options *options)
{
    bool chunked = framing->chunked && !framing->codings_bad;

    response->close = response->minor == 0 ? !http_options_have(options, "keep-alive")
                                           : http_options_have(options, "close");
    response->faulty = framing->transfer_encoding && response->minor == 0;
    if (framing->transfer_encoding) {
        response->close |= response->faulty || !chunked || framing->length_given;
        response->body.framing = response->faulty || !chunked ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
    } else if (framing->length_given) {
        response->body = (struct http_body){.framing = HTTP_LENGTH, .left = framing->length};
    } else {
        response->body.framing = HTTP_UNTIL_CLOSE;
    }
}

/* Reads the status line, which has one of the two forms. */
static void take_status(const char *text, struct http_response *response)
{
    const char *digits;

    response->icy = text[0] == 'I';
    digits = text + strlen(response->icy ? "ICY " : "HTTP/1.# ");
    response->minor = response->icy ? 0 : (uint8_t)(text[strlen("HTTP/1.")] - '0');
    response->status =
        (uint16_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
    response->interim = response->status < 200 && response->status != 101;
}

enum wire_status http_response_parse(const uint8_t *bytes, size_t length,
                                     struct http_progress *progress, struct http_response *response)
{
    static const struct http_form form = {status_line_check, any_line_check};
    const char *text = (const char *)bytes;
    struct http_response made = {0};
    struct framing framing = {0};
    struct http_options options;
    enum wire_status scanned =
        http_head_scan((struct text){text, length}, progress, &form, &made.head_length);
    if (scanned != WIRE_OK)
        return scanned;

    struct http_fields fields = http_fields_of(text, made.head_length);
    take_status(text, &made);
    if (made.status < 100 || !http_options_gather(fields, &options) ||
        !take_framing(fields, &framing, &made))
        return WIRE_BAD;
    settle(&made, &framing, &options);
    *response = made;
    return WIRE_OK;
}

struct http_body http_response_body(const struct http_response *response, bool is_head)
{
    struct http_body body = response->body;

    if (is_head || response->status < 200 || response->status == 204 || response->status == 304)
        body = (struct http_body){.framing = HTTP_NO_BODY};
    return body;
}

bool http_response_upgrades(const struct http_response *response, struct text asked)
{
    struct text chosen = response->upgrade, protocol, word;
    bool known = false;

    if (response->status != 101)
        return false;
    while (http_list_next(&chosen, &protocol)) {
        struct text words = asked;
        known = false;
        while (!known && http_list_next(&words, &word))
            known = word.length == protocol.length &&
                    strncasecmp(word.at, protocol.at, word.length) == 0;
        if (!known)
            return false;
    }
    return known;
}

/* The status line with the version that adit speaks (RFC 9110 section 2.5). */
static uint8_t *put_status(const struct http_response *response, struct text line, uint8_t *out)
{
    if (response->faulty)
        return http_put_line(out, line);
    text_skip(&line, strlen(response->icy ? "ICY" : "HTTP/1.#"));
    return http_put_line(http_put_text(out, "HTTP/1.1"), line);
}

static uint8_t *put_connection(const struct http_response *response,
                               enum http_connection connection, uint8_t *out)
{
    if (connection == HTTP_UPGRADE) {
        out = http_put_text(out, "Connection: Upgrade\r\nUpgrade: ");
        return http_put_line(out, response->upgrade);
    }
    return connection == HTTP_CLOSE && !response->interim
               ? http_put_text(out, "Connection: close\r\n")
               : out;
}

size_t http_response_rewrite(const struct http_response *response, const uint8_t *bytes,
                             enum http_connection connection, uint8_t *out)
{
    const char *text = (const char *)bytes;
    struct http_fields fields = http_fields_of(text, response->head_length);
    struct http_options options;
    bool has_length = response->body.framing == HTTP_LENGTH;
    bool length_sent = false;
    http_options_gather(fields, &options);

    const char *line_end = fields.at - 1;
    if (line_end[-1] == '\r')
        line_end--;
    uint8_t *at = put_status(response, (struct text){text, (size_t)(line_end - text)}, out);
    struct http_field field;
    while (http_field_next(&fields, &field)) {
        bool is_length = http_slice_is(field.name, "Content-Length");
        if (http_field_is_hop_by_hop(&field, &options) ||
            (is_length && (!has_length || length_sent)))
            continue;
        length_sent |= is_length;
        at = http_put_checked(at, &field);
    }
    at = http_put_via(at, response->minor);
    at = put_connection(response, connection, at);
    return (size_t)(http_put_text(at, "\r\n") - out);
}

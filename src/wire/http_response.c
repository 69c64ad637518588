/* An HTTP response on its way from the origin to the client. */
#include "wire/http.h"

#include "wire/http_head.h"

#include <string.h>

static const char status_form[] = "HTTP/1.# ###";

/* RFC 9112 section 4; the reason phrase and the space before it may be missing. */
static bool status_line_check(const struct http_line *line)
{
    size_t form_length = strlen(status_form);
    if (!http_has_form(line->text, line->length, status_form))
        return false;
    if (line->length <= form_length)
        return line->length == form_length || !line->ended;
    return line->text[form_length] == ' ' && memchr(line->text, '\0', line->length) == NULL;
}

static bool any_line_check(const struct http_line *line)
{
    return line->length == 0 || memchr(line->text, '\0', line->length) == NULL;
}

enum wire_status http_response_parse(const uint8_t *bytes, size_t length,
                                     struct http_response *response)
{
    static const struct http_form form = {status_line_check, any_line_check};
    const char *text = (const char *)bytes;
    size_t end;
    enum wire_status scanned = http_head_scan((struct text){text, length}, 0, &form, &end);
    if (scanned != WIRE_OK)
        return scanned;

    const char *digits = text + strlen("HTTP/1.# ");
    int status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    struct http_options options;
    if (status < 100 || !http_options_gather(http_fields_of(text, end), &options))
        return WIRE_BAD;
    *response = (struct http_response){
        .head_length = end,
        .status = (uint16_t)status,
        .interim = status < 200 && status != 101,
    };
    return WIRE_OK;
}

size_t http_response_rewrite(const struct http_response *response, const uint8_t *bytes,
                             uint8_t *out)
{
    const char *text = (const char *)bytes;
    struct http_fields fields = http_fields_of(text, response->head_length);
    struct http_options options;
    http_options_gather(fields, &options);

    const char *line_end = fields.at - 1;
    if (line_end[-1] == '\r')
        line_end--;
    uint8_t *at = http_put_line(out, (struct text){text, (size_t)(line_end - text)});
    struct http_field field;
    while (http_field_next(&fields, &field))
        if (!http_field_is_hop_by_hop(&field, &options))
            at = http_put_field(at, &field);
    at = http_put_text(at, response->interim ? "\r\n" : "Connection: close\r\n\r\n");
    return (size_t)(at - out);
}

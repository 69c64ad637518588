/* Lines and fields of an HTTP/1.x head. */
#include "wire/http_head.h"

#include "wire/http.h"

#include <string.h>
#include <strings.h>

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool http_is_token_char(char c)
{
    return is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_is_value_char(char c)
{
    return c == '\t' || ((uint8_t)c >= ' ' && c != 0x7f);
}

size_t http_token_span(const char *text, size_t length)
{
    size_t span = 0;
    while (span < length && http_is_token_char(text[span]))
        span++;
    return span;
}

bool http_has_form(const char *text, size_t length, const char *pattern)
{
    for (size_t i = 0; i < length && pattern[i] != '\0'; i++) {
        bool fits = pattern[i] == '#' ? text[i] >= '0' && text[i] <= '9' : text[i] == pattern[i];
        if (!fits)
            return false;
    }
    return true;
}

bool http_slice_starts(struct text slice, const char *text)
{
    size_t length = strlen(text);
    return slice.length >= length && strncasecmp(slice.at, text, length) == 0;
}

bool http_slice_is(struct text slice, const char *text)
{
    return slice.length == strlen(text) && http_slice_starts(slice, text);
}

/* Reads the line at the start of the bytes; returns how many bytes it takes with its end, or 0
 * while LF has not come. */
static size_t find_line(const char *bytes, size_t length, struct http_line *line)
{
    const char *lf = length > 0 ? memchr(bytes, '\n', length) : NULL;
    line->text = bytes;
    line->length = lf != NULL ? (size_t)(lf - bytes) : length;
    bool cr = line->length > 0 && bytes[line->length - 1] == '\r';
    if (cr)
        line->length--;
    line->ended = lf != NULL || cr;
    return lf != NULL ? (size_t)(lf - bytes) + 1 : 0;
}

enum wire_status http_head_scan(struct text bytes, struct http_progress *progress,
                                const struct http_form *form, size_t *end)
{
    size_t limit = bytes.length < HTTP_HEAD_MAX ? bytes.length : HTTP_HEAD_MAX;

    if (progress->at < progress->begin)
        progress->at = progress->begin;
    while (progress->at < limit) {
        bool first = progress->at == progress->begin;
        http_line_check *check = first ? form->start_line : form->field_line;
        struct http_line line;
        size_t size = find_line(bytes.at + progress->at, limit - progress->at, &line);
        bool last = !first && line.length == 0 && line.ended;
        if (!last && !check(&line))
            return WIRE_BAD;
        if (size == 0)
            break;
        if (last) {
            *end = progress->at + size;
            return WIRE_OK;
        }
        progress->at += size;
    }
    progress->too_long = bytes.length >= HTTP_HEAD_MAX;
    return progress->too_long ? WIRE_BAD : WIRE_MORE;
}

static bool is_field_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_blank_or_fold(char c)
{
    return is_field_blank(c) || c == '\r' || c == '\n';
}

/* Without white space, folded or not, at either end. */
static struct text trim(const char *at, const char *end)
{
    while (end > at && is_blank_or_fold(end[-1]))
        end--;
    while (at < end && is_blank_or_fold(*at))
        at++;
    return (struct text){at, (size_t)(end - at)};
}

/* After the line at `at` and the lines that continue it (obs-fold, RFC 9112 section 5.2). */
static const char *unfolded_end(const char *at, const char *end)
{
    do {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        at = lf != NULL ? lf + 1 : end;
    } while (at < end && is_field_blank(*at));
    return at;
}

struct http_fields http_fields_of(const char *head, size_t head_length)
{
    const char *first_lf = memchr(head, '\n', head_length);
    return (struct http_fields){first_lf + 1, head + head_length};
}

bool http_field_next(struct http_fields *fields, struct http_field *field)
{
    while (fields->at < fields->end) {
        const char *line = fields->at;
        const char *line_end = unfolded_end(line, fields->end);
        fields->at = line_end;
        const char *colon = memchr(line, ':', (size_t)(line_end - line));
        if (colon == NULL)
            continue;
        const char *name_end = colon;
        while (name_end > line && is_field_blank(name_end[-1]))
            name_end--;
        size_t name_length = (size_t)(name_end - line);
        if (name_length == 0 || http_token_span(line, name_length) != name_length)
            continue;
        field->name = (struct text){line, name_length};
        field->colon = colon;
        field->value = trim(colon + 1, line_end);
        return true;
    }
    return false;
}

bool http_list_next(struct text *list, struct text *element)
{
    while (list->length > 0) {
        const char *end = list->at + list->length;
        const char *comma = memchr(list->at, ',', list->length);
        const char *element_end = comma != NULL ? comma : end;
        *element = trim(list->at, element_end);
        list->at = comma != NULL ? comma + 1 : end;
        list->length = (size_t)(end - list->at);
        if (element->length > 0)
            return true;
    }
    return false;
}

bool http_options_gather(struct http_fields fields, struct http_options *options)
{
    struct http_field field;
    options->count = 0;
    while (http_field_next(&fields, &field)) {
        if (!http_slice_is(field.name, "Connection"))
            continue;
        struct text option;
        while (http_list_next(&field.value, &option)) {
            if (options->count == HTTP_OPTIONS_MAX)
                return false;
            options->names[options->count++] = option;
        }
    }
    return true;
}

bool http_options_have(const struct http_options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++)
        if (http_slice_is(options->names[i], name))
            return true;
    return false;
}

bool http_take_length(struct text value, bool *given, uint64_t *length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(value.at[i] - '0'), &number))
            return false;
    }
    bool same = !*given || *length == number;
    *given = true;
    *length = number;
    return value.length > 0 && same;
}

bool http_take_codings(struct text value, bool *chunked)
{
    struct text coding;
    while (http_list_next(&value, &coding)) {
        if (*chunked || http_token_span(coding.at, coding.length) != coding.length)
            return false;
        *chunked = http_slice_is(coding, "chunked");
    }
    return true;
}

bool http_field_is_hop_by_hop(const struct http_field *field, const struct http_options *options)
{
    static const char *const framing[] = {"Content-Length", "Transfer-Encoding"};
    static const char *const hop_by_hop[] = {"Connection", "Keep-Alive", "TE", "Upgrade"};

    for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++)
        if (http_slice_is(field->name, framing[i]))
            return false;
    for (size_t i = 0; i < sizeof hop_by_hop / sizeof hop_by_hop[0]; i++)
        if (http_slice_is(field->name, hop_by_hop[i]))
            return true;
    for (size_t i = 0; i < options->count; i++)
        if (options->names[i].length == field->name.length &&
            strncasecmp(options->names[i].at, field->name.at, field->name.length) == 0)
            return true;
    return http_slice_starts(field->name, "Proxy-") && !http_slice_is(field->name, "Proxy-Status");
}

uint8_t *http_put(uint8_t *out, const char *text, size_t length)
{
    memcpy(out, text, length);
    return out + length;
}

uint8_t *http_put_text(uint8_t *out, const char *text)
{
    return http_put(out, text, strlen(text));
}

/* CR and LF become spaces. */
static uint8_t *put_unfolded(uint8_t *out, struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        *out++ = (uint8_t)(c == '\r' || c == '\n' ? ' ' : c);
    }
    return out;
}

uint8_t *http_put_line(uint8_t *out, struct text text)
{
    return http_put_text(put_unfolded(out, text), "\r\n");
}

uint8_t *http_put_field(uint8_t *out, const struct http_field *field)
{
    const char *value_end = field->value.at + field->value.length;
    out = http_put(out, field->name.at, field->name.length);
    return http_put_line(out, (struct text){field->colon, (size_t)(value_end - field->colon)});
}

static uint8_t *put_name(uint8_t *out, const struct http_field *field)
{
    return http_put_text(http_put(out, field->name.at, field->name.length), ": ");
}

static uint8_t *put_list(uint8_t *out, struct text list)
{
    struct text element;

    for (bool first = true; http_list_next(&list, &element); first = false)
        out = put_unfolded(first ? out : http_put_text(out, ","), element);
    return http_put_text(out, "\r\n");
}

uint8_t *http_put_checked(uint8_t *out, const struct http_field *field)
{
    struct text number = field->value;

    if (http_slice_is(field->name, "Transfer-Encoding"))
        return put_list(put_name(out, field), field->value);
    if (!http_slice_is(field->name, "Content-Length"))
        return http_put_field(out, field);
    while (number.length > 1 && *number.at == '0')
        text_skip(&number, 1);
    return http_put_line(put_name(out, field), number);
}

uint8_t *http_put_via(uint8_t *out, unsigned minor)
{
    return http_put_text(out, minor == 0 ? "Via: 1.0 adit\r\n" : "Via: 1.1 adit\r\n");
}

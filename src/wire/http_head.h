/* Lines and fields of an HTTP/1.x head (RFC 9112 sections 2 to 5): what the HTTP files of this room
 * share. */
#ifndef ADIT_WIRE_HTTP_HEAD_H
#define ADIT_WIRE_HTTP_HEAD_H

#include "base/text.h"
#include "wire/http.h"

/* A line, or as much of it as has come. */
struct http_line {
    const char *text;
    size_t length; /* without the line end */
    bool ended;    /* its end has begun: no more text can come */
};

/* Whether a line is well-formed; of one that has not ended, whether it can still become so. */
typedef bool http_line_check(const struct http_line *line);

/* The form of a head: its first line, and the others. */
struct http_form {
    http_line_check *start_line;
    http_line_check *field_line;
};

/* Finds the end of the head that starts at progress->begin with a line of the form's first kind,
 * then lines of the second, then the empty line; `*end` is the offset after that. Lines before
 * progress->at are not judged again. WIRE_BAD also when the head would reach beyond HTTP_HEAD_MAX.
 */
enum wire_status http_head_scan(struct text bytes, struct http_progress *progress,
                                const struct http_form *form, size_t *end);

/* The same for a request (RFC 9112 sections 3 and 5), before which empty lines are skipped. */
enum wire_status http_request_scan(struct text bytes, struct http_progress *progress, size_t *end);

/* How many of the first `length` bytes make a token (RFC 9110 section 5.6.2). */
size_t http_token_span(const char *text, size_t length);
bool http_is_token_char(char c);
/* VCHAR, obs-text, SP and HTAB: what a field value may hold. */
bool http_is_value_char(char c);

/* Whether `text` is a beginning of, or begins with, something of the form `pattern`, where '#' is a
 * digit. */
bool http_has_form(const char *text, size_t length, const char *pattern);

/* Equal without regard to case. */
bool http_slice_is(struct text slice, const char *text);
bool http_slice_starts(struct text slice, const char *text);

/* A field, unfolded: `value` may hold the line ends of obs-fold, but not at its ends. */
struct http_field {
    struct text name;
    struct text value;
    const char *colon;
};

/* The fields of a scanned head: set to the bytes from the line after the first up to the head's
 * end. */
struct http_fields {
    const char *at;
    const char *end;
};
struct http_fields http_fields_of(const char *head, size_t head_length);

/* The next line that is a field; false when there is none left. */
bool http_field_next(struct http_fields *fields, struct http_field *field);

/* The next element of a comma-separated list that is not empty (RFC 9110 section 5.6.1), taken off
 * `list`. */
bool http_list_next(struct text *list, struct text *element);

/* What all Connection fields of a head name (RFC 9110 section 7.6.1). */
#define HTTP_OPTIONS_MAX 64
struct http_options {
    struct text names[HTTP_OPTIONS_MAX];
    size_t count;
};

/* Gathers them; false when there are more than HTTP_OPTIONS_MAX. */
bool http_options_gather(struct http_fields fields, struct http_options *options);

/* Whether a field stays behind at this hop. Fields that frame the body go on whatever Connection
 * says. */
bool http_field_is_hop_by_hop(const struct http_field *field, const struct http_options *options);

/* Whether one of them is this, without regard to case. */
bool http_options_have(const struct http_options *options, const char *name);

/* Takes Content-Length, of which `*given` says whether there was one before. False: it is no
 * number, or another one than before (RFC 9112 section 6.3). */
bool http_take_length(struct text value, bool *given, uint64_t *length);

/* Takes Transfer-Encoding: codings without parameters. False: something follows chunked, or one is
 * no token (RFC 9112 section 6.1). */
bool http_take_codings(struct text value, bool *chunked);

/* "Via: 1.minor adit" with its line end. */
uint8_t *http_put_via(uint8_t *out, unsigned minor);

/* Reads "Basic" and base64 of user:password (RFC 7617 section 2). False leaves `credentials` alone;
 * http.h says what counts as not given. */
bool http_basic_decode(struct text value, struct wire_credentials *credentials);

/* Writers: each returns the place after what it wrote. */
uint8_t *http_put(uint8_t *out, const char *text, size_t length);
uint8_t *http_put_text(uint8_t *out, const char *text);
/* One line with its CRLF; CR and LF inside `text` become spaces (RFC 9112 sections 2.2 and 5.2). */
uint8_t *http_put_line(uint8_t *out, struct text text);
uint8_t *http_put_field(uint8_t *out, const struct http_field *field);
/* The same for a field that a scanned head may have: Content-Length, which is a number, without
 * leading zeros, and Transfer-Encoding without empty list elements, so that no two readers of what
 * adit writes understand it differently (RFC 9112 section 11.2). Never longer than CR and a space
 * more than the line that was read. */
uint8_t *http_put_checked(uint8_t *out, const struct http_field *field);

#endif

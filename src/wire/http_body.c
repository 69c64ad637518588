/* Where an HTTP/1.1 body ends (RFC 9112 sections 6 and 7). */
#include "wire/http.h"

#include "wire/http_head.h"

/* The states of chunked framing; 0 is the first, as a body starts zeroed. Each names what comes
 * next. */
enum chunked {
    SIZE,      /* the first digit of chunk-size */
    MORE_SIZE, /* more digits, or what may follow them */
    BLANK,     /* white space before ';' */
    EXTENSION, /* chunk-ext, up to CR */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,       /* the start of a line after the last chunk */
    TRAILER_NAME,  /* up to ':' */
    TRAILER_VALUE, /* up to CR */
    TRAILER_LF,
    LAST_LF,
    DONE,
    BAD,
};

static int chunk_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Adds a digit of chunk-size. */
static enum chunked take_digit(struct http_body *body, char c)
{
    int digit = chunk_digit(c);
    if (digit < 0 || body->left > UINT64_MAX >> 4)
        return BAD;
    body->left = body->left << 4 | (unsigned)digit;
    return MORE_SIZE;
}

static enum chunked after_size(struct http_body *body, char c)
{
    switch (c) {
    case ';': return EXTENSION;
    case ' ':
    case '\t': return BLANK;
    case '\r': return SIZE_LF;
    default: return take_digit(body, c);
    }
}

/* The state after one byte that is not chunk data. */
static enum chunked next_state(struct http_body *body, char c)
{
    switch ((enum chunked)body->state) {
    case SIZE: return take_digit(body, c);
    case MORE_SIZE: return after_size(body, c);
    case BLANK: return c == ';' ? EXTENSION : c == ' ' || c == '\t' ? BLANK : BAD;
    case EXTENSION: return c == '\r' ? SIZE_LF : http_is_value_char(c) ? EXTENSION : BAD;
    case SIZE_LF: return c != '\n' ? BAD : body->left > 0 ? DATA : TRAILER;
    case DATA_CR: return c == '\r' ? DATA_LF : BAD;
    case DATA_LF: return c == '\n' ? SIZE : BAD;
    case TRAILER: return c == '\r' ? LAST_LF : http_is_token_char(c) ? TRAILER_NAME : BAD;
    case TRAILER_NAME: return c == ':' ? TRAILER_VALUE : http_is_token_char(c) ? TRAILER_NAME : BAD;
    case TRAILER_VALUE: return c == '\r' ? TRAILER_LF : http_is_value_char(c) ? TRAILER_VALUE : BAD;
    case TRAILER_LF: return c == '\n' ? TRAILER : BAD;
    case LAST_LF: return c == '\n' ? DONE : BAD;
    case DATA:
    case DONE:
    case BAD: break; /* http_body_take gives these no byte */
    }
    return BAD;
}

/* Up to `left` of the bytes. */
static size_t take_counted(struct http_body *body, size_t length)
{
    size_t taken = body->left < length ? (size_t)body->left : length;
    body->left -= taken;
    return taken;
}

static size_t take_chunked(struct http_body *body, const char *text, size_t length)
{
    size_t taken = 0;
    while (taken < length && body->state != DONE && body->state != BAD) {
        if (body->state == DATA) {
            taken += take_counted(body, length - taken);
            if (body->left == 0)
                body->state = DATA_CR;
            continue;
        }
        body->state = (uint8_t)next_state(body, text[taken]);
        if (body->state != BAD)
            taken++;
    }
    return taken;
}

size_t http_body_take(struct http_body *body, const uint8_t *bytes, size_t length, bool *bad)
{
    size_t taken = 0;
    switch (body->framing) {
    case HTTP_NO_BODY: break;
    case HTTP_LENGTH: taken = take_counted(body, length); break;
    case HTTP_CHUNKED: taken = take_chunked(body, (const char *)bytes, length); break;
    case HTTP_UNTIL_CLOSE: taken = length; break;
    }
    *bad = body->framing == HTTP_CHUNKED && body->state == BAD;
    return taken;
}

bool http_body_done(const struct http_body *body)
{
    switch (body->framing) {
    case HTTP_NO_BODY: return true;
    case HTTP_LENGTH: return body->left == 0;
    case HTTP_CHUNKED: return body->state == DONE;
    case HTTP_UNTIL_CLOSE: return false;
    }
    return false;
}

/* Base64. libcrypto's EVP_DecodeBlock takes text that is not canonical, counts padding as bytes and
 * wants all of the text at once: a private key, which wire/openssh_key looks at, would have to be
 * copied for it. */
#include "base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* -1: it is none. */
static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void skip_white_space(struct base64_reader *r)
{
    while (r->white_space && r->at < r->end && *r->at != '\0' &&
           strchr(" \t\n\v\f\r", *r->at) != NULL)
        r->at++;
}

struct base64_reader base64_reader(const char *text, size_t length, bool white_space)
{
    return (struct base64_reader){.at = text, .end = text + length, .white_space = white_space};
}

uint8_t base64_take(struct base64_reader *r)
{
    while (r->count < 8) {
        int value;
        skip_white_space(r);
        value = r->at < r->end ? digit_value(*r->at) : -1;
        if (value < 0) {
            r->bad = true;
            return 0;
        }
        r->at++;
        r->digits++;
        r->bits = r->bits << 6 | (uint32_t)value;
        r->count += 6;
    }
    r->count -= 8;
    return (uint8_t)(r->bits >> r->count);
}

/* Whether another byte follows, and not the padding or the end. */
static bool has_digit(struct base64_reader *r)
{
    skip_white_space(r);
    return r->at < r->end && *r->at != '=';
}

bool base64_is_over(struct base64_reader *r)
{
    size_t padding = 0;

    for (skip_white_space(r); r->at < r->end && *r->at == '='; skip_white_space(r)) {
        r->at++;
        padding++;
    }
    return !r->bad && r->at == r->end && padding < 3 && (r->digits + padding) % 4 == 0 &&
           (r->bits & ((1u << r->count) - 1)) == 0;
}

bool base64_decode(struct text text, bool white_space, uint8_t *bytes, size_t size, size_t *decoded)
{
    struct base64_reader reader = base64_reader(text.at, text.length, white_space);

    for (*decoded = 0; has_digit(&reader) && !reader.bad; (*decoded)++) {
        uint8_t byte = base64_take(&reader);
        if (reader.bad || *decoded == size)
            return false;
        bytes[*decoded] = byte;
    }
    return *decoded > 0 && base64_is_over(&reader);
}

void base64_encode(const uint8_t *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 |
                        (i + 1 < length ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (i + 2 < length ? bytes[i + 2] : 0);
        *text++ = digits[bits >> 18];
        *text++ = digits[bits >> 12 & 63];
        *text++ = i + 1 < length ? digits[bits >> 6 & 63] : '=';
        *text++ = i + 2 < length ? digits[bits & 63] : '=';
    }
    *text = '\0';
}

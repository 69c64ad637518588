/* The Basic authentication scheme (RFC 7617). */
#include "wire/http_head.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define USER_PASS_MAX (WIRE_CREDENTIAL_MAX + 1 + WIRE_CREDENTIAL_MAX)
#define BASE64_MAX ((USER_PASS_MAX + 2) / 3 * 4)

static bool is_base64_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* Canonical base64 only (RFC 4648 section 3.5). EVP_DecodeBlock alone would skip white space, and
 * it counts the padding as bytes. Returns false for what is not base64 or decodes to more than
 * USER_PASS_MAX bytes. */
static bool base64_decode(struct http_slice text, uint8_t out[static BASE64_MAX / 4 * 3],
                          size_t *length)
{
    if (text.length == 0 || text.length % 4 != 0 || text.length > BASE64_MAX)
        return false;
    size_t padding = 0;
    while (padding < 2 && text.at[text.length - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text.length - padding; i++)
        if (!is_base64_char(text.at[i]))
            return false;
    int decoded = EVP_DecodeBlock(out, (const uint8_t *)text.at, (int)text.length);
    if (decoded < 0)
        return false;
    *length = (size_t)decoded - padding;
    static const uint8_t zeroes[2];
    return memcmp(out + *length, zeroes, padding) == 0;
}

static bool user_pass_split(const uint8_t *bytes, size_t length,
                            struct wire_credentials *credentials)
{
    const uint8_t *colon = memchr(bytes, ':', length);
    if (colon == NULL || memchr(bytes, '\0', length) != NULL)
        return false;
    size_t user_length = (size_t)(colon - bytes);
    size_t password_length = length - user_length - 1;
    if (user_length > WIRE_CREDENTIAL_MAX || password_length > WIRE_CREDENTIAL_MAX)
        return false;
    *credentials = (struct wire_credentials){.given = true};
    memcpy(credentials->user, bytes, user_length);
    memcpy(credentials->password, colon + 1, password_length);
    return true;
}

bool http_basic_decode(struct http_slice value, struct wire_credentials *credentials)
{
    static const char scheme[] = "Basic ";
    if (!http_slice_starts(value, scheme))
        return false;
    size_t skip = strlen(scheme);
    while (skip < value.length && value.at[skip] == ' ')
        skip++;
    struct http_slice base64 = {value.at + skip, value.length - skip};

    uint8_t bytes[BASE64_MAX / 4 * 3];
    size_t length;
    bool given =
        base64_decode(base64, bytes, &length) && user_pass_split(bytes, length, credentials);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return given;
}

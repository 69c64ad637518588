/* The Basic authentication scheme (RFC 7617). */
#include "wire/http_head.h"

#include "base/base64.h"

#include <openssl/crypto.h>
#include <string.h>

#define USER_PASS_MAX (WIRE_CREDENTIAL_MAX + 1 + WIRE_CREDENTIAL_MAX)

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

bool http_basic_decode(struct text value, struct wire_credentials *credentials)
{
    static const char scheme[] = "Basic ";
    if (!http_slice_starts(value, scheme))
        return false;
    text_skip(&value, strlen(scheme));
    while (value.length > 0 && *value.at == ' ')
        text_skip(&value, 1);

    uint8_t bytes[USER_PASS_MAX];
    size_t length;
    bool given = base64_decode(value, false, bytes, sizeof bytes, &length) &&
                 user_pass_split(bytes, length, credentials);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return given;
}

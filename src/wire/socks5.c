/* SOCKS5: the greeting, username/password, the request, and their replies. */
#include "wire/socks5.h"

#include <string.h>

#define SOCKS_VERSION 5
#define PASSWORD_VERSION 1 /* RFC 1929 has a version of its own */

enum { ATYP_IPV4 = 1, ATYP_DOMAINNAME = 3, ATYP_IPV6 = 4 };

enum wire_status socks5_greeting_parse(const uint8_t *bytes, size_t length, size_t *used,
                                       struct socks5_greeting *greeting)
{
    if (length > 0 && bytes[0] != SOCKS_VERSION)
        return WIRE_BAD;
    if (length < 2 || length < (size_t)2 + bytes[1])
        return WIRE_MORE;
    size_t methods = bytes[1];
    greeting->none = memchr(bytes + 2, SOCKS5_METHOD_NONE, methods) != NULL;
    greeting->password = memchr(bytes + 2, SOCKS5_METHOD_PASSWORD, methods) != NULL;
    *used = 2 + methods;
    return WIRE_OK;
}

enum wire_status socks5_password_parse(const uint8_t *bytes, size_t length, size_t *used,
                                       struct wire_credentials *credentials)
{
    if (length > 0 && bytes[0] != PASSWORD_VERSION)
        return WIRE_BAD;
    if (length < 2)
        return WIRE_MORE;
    size_t user_length = bytes[1];
    const uint8_t *user = bytes + 2;
    if (length < 2 + user_length + 1)
        return WIRE_MORE;
    size_t password_length = user[user_length];
    const uint8_t *password = user + user_length + 1;
    if (length < 2 + user_length + 1 + password_length)
        return WIRE_MORE;
    if (memchr(user, '\0', user_length) != NULL || memchr(password, '\0', password_length) != NULL)
        return WIRE_BAD;

    *credentials = (struct wire_credentials){.given = true};
    memcpy(credentials->user, user, user_length);
    memcpy(credentials->password, password, password_length);
    *used = 2 + user_length + 1 + password_length;
    return WIRE_OK;
}

/* Where the address starts and how long it is, from `bytes` that hold ATYP. */
static enum wire_status address_bounds(const uint8_t *bytes, size_t length, size_t *start,
                                       size_t *size, enum outcome *outcome)
{
    *start = 4;
    switch (bytes[3]) {
    case ATYP_IPV4: *size = 4; return WIRE_OK;
    case ATYP_IPV6: *size = 16; return WIRE_OK;
    case ATYP_DOMAINNAME:
        if (length <= *start)
            return WIRE_MORE;
        *size = bytes[(*start)++];
        return *size > 0 ? WIRE_OK : WIRE_BAD;
    default: *outcome = OUTCOME_ADDRESS_TYPE; return WIRE_BAD;
    }
}

enum wire_status socks5_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                      struct socks_request *request)
{
    static const enum wire_command commands[] = {
        [1] = WIRE_CONNECT, [2] = WIRE_BIND, [3] = WIRE_UDP_ASSOCIATE};

    request->outcome = OUTCOME_MALFORMED;
    if (length > 0 && bytes[0] != SOCKS_VERSION)
        return WIRE_BAD;
    if (length > 1 && (bytes[1] < 1 || bytes[1] > 3)) {
        request->outcome = OUTCOME_COMMAND;
        return WIRE_BAD;
    }
    if (length > 2 && bytes[2] != 0)
        return WIRE_BAD;
    if (length < 4)
        return WIRE_MORE;
    size_t start, size;
    enum wire_status status = address_bounds(bytes, length, &start, &size, &request->outcome);
    if (status != WIRE_OK)
        return status;
    size_t end = start + size + 2;
    if (length < end)
        return WIRE_MORE;

    enum wire_command asked = commands[bytes[1]];
    uint16_t port = (uint16_t)(bytes[end - 2] << 8 | bytes[end - 1]);
    if (asked == WIRE_CONNECT && port == 0)
        return WIRE_BAD;
    if (bytes[3] != ATYP_DOMAINNAME)
        wire_target_set_address(&request->target, bytes + start, size, port);
    else if (!wire_target_set(&request->target, (const char *)bytes + start, size, port))
        return WIRE_BAD;
    request->command = asked;
    *used = end;
    return WIRE_OK;
}

size_t socks5_method_reply(uint8_t method, uint8_t out[static 2])
{
    out[0] = SOCKS_VERSION;
    out[1] = method;
    return 2;
}

size_t socks5_password_reply(bool accepted, uint8_t out[static 2])
{
    out[0] = PASSWORD_VERSION;
    out[1] = accepted ? 0 : 1;
    return 2;
}

size_t socks5_reply(enum outcome outcome, const struct ip *bound, uint16_t port,
                    uint8_t out[static SOCKS5_REPLY_MAX])
{
    static const struct ip unspecified; /* its last four bytes are 0.0.0.0 */
    bool v4 = bound == NULL || ip_is_v4(bound);
    size_t size = v4 ? 4 : 16;
    const struct ip *ip = bound != NULL ? bound : &unspecified;

    out[0] = SOCKS_VERSION;
    out[1] = outcome_row(outcome)->socks5;
    out[2] = 0;
    out[3] = v4 ? ATYP_IPV4 : ATYP_IPV6;
    memcpy(out + 4, ip->bytes + sizeof ip->bytes - size, size);
    out[4 + size] = (uint8_t)(port >> 8);
    out[5 + size] = (uint8_t)port;
    return 6 + size;
}

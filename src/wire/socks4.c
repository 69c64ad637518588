/* SOCKS4 and SOCKS4a: the request and the reply. */
#include "wire/socks4.h"

#include <string.h>

#define SOCKS_VERSION 4
#define HEADER 8 /* VN, CD, DSTPORT, DSTIP */

/* The NUL-terminated string at `at`: its length in `*text_length`. WIRE_BAD when it exceeds `max`.
 */
static enum wire_status string_length(const uint8_t *bytes, size_t length, size_t at, size_t max,
                                      size_t *text_length)
{
    size_t seen = length - at;
    *text_length = strnlen((const char *)bytes + at, seen);
    if (*text_length > max)
        return WIRE_BAD;
    return *text_length == seen ? WIRE_MORE : WIRE_OK;
}

/* 4a: DSTIP 0.0.0.x with x not 0. */
static bool name_follows(const uint8_t address[static 4])
{
    return address[0] == 0 && address[1] == 0 && address[2] == 0 && address[3] != 0;
}

enum wire_status socks4_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                      struct socks_request *request)
{
    static const enum wire_command commands[] = {[1] = WIRE_CONNECT, [2] = WIRE_BIND};

    request->outcome = OUTCOME_MALFORMED;
    if (length > 0 && bytes[0] != SOCKS_VERSION)
        return WIRE_BAD;
    if (length > 1 && (bytes[1] < 1 || bytes[1] > 2)) {
        request->outcome = OUTCOME_COMMAND;
        return WIRE_BAD;
    }
    if (length < HEADER)
        return WIRE_MORE;
    enum wire_command asked = commands[bytes[1]];
    uint16_t port = (uint16_t)(bytes[2] << 8 | bytes[3]);
    const uint8_t *address = bytes + 4;
    if (asked == WIRE_CONNECT && port == 0)
        return WIRE_BAD;

    size_t user_length;
    enum wire_status status =
        string_length(bytes, length, HEADER, WIRE_CREDENTIAL_MAX, &user_length);
    if (status != WIRE_OK)
        return status;
    size_t end = HEADER + user_length + 1;

    if (name_follows(address)) {
        size_t name_length;
        status = string_length(bytes, length, end, HOST_MAX, &name_length);
        if (status != WIRE_OK)
            return status;
        if (!wire_target_set(&request->target, (const char *)bytes + end, name_length, port))
            return WIRE_BAD;
        end += name_length + 1;
    } else {
        wire_target_set_address(&request->target, address, 4, port);
    }
    memcpy(request->user, bytes + HEADER, user_length + 1);
    request->command = asked;
    *used = end;
    return WIRE_OK;
}

size_t socks4_reply(enum outcome outcome, const struct ip *bound, uint16_t port,
                    uint8_t out[static SOCKS4_REPLY_MAX])
{
    memset(out, 0, SOCKS4_REPLY_MAX);
    out[1] = outcome_row(outcome)->socks4;
    if (bound != NULL && ip_is_v4(bound)) {
        out[2] = (uint8_t)(port >> 8);
        out[3] = (uint8_t)port;
        memcpy(out + 4, bound->bytes + sizeof bound->bytes - 4, 4);
    }
    return SOCKS4_REPLY_MAX;
}

/* The first byte and the target: what all three protocols share. */
#include "wire/wire.h"

#include "base/idna.h"

#include <assert.h>
#include <string.h>

bool wire_target_set(struct wire_target *target, const char *host, size_t length, uint16_t port)
{
    if (length == 0 || length > HOST_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)host[i];
        if (c <= ' ' || c == 0x7f)
            return false;
    }
    struct wire_target made = {.port = port};
    memcpy(made.host, host, length);
    /* What a client types is what the rules and the server know by its ASCII form. A name without
     * one is no other name, and stays as it is. */
    if (!idna_is_ascii(made.host))
        idna_to_ascii(made.host, made.host);
    host_normalise(made.host);
    if (made.host[strlen(made.host) - 1] == '.')
        return false;
    made.is_ip = ip_parse(made.host, &made.ip);
    *target = made;
    return true;
}

void wire_target_set_address(struct wire_target *target, const uint8_t *address, size_t length,
                             uint16_t port)
{
    static const struct ip v4_mapped = {.bytes = {[10] = 0xff, [11] = 0xff}};
    assert(length == 4 || length == sizeof v4_mapped.bytes);
    *target = (struct wire_target){.port = port, .is_ip = true, .ip = v4_mapped};
    memcpy(target->ip.bytes + sizeof target->ip.bytes - length, address, length);
    char text[IP_TEXT_MAX];
    strcpy(target->host, ip_format(&target->ip, text));
}

enum wire_protocol wire_sniff(uint8_t first)
{
    switch (first) {
    case 0x05: return WIRE_SOCKS5;
    case 0x04: return WIRE_SOCKS4;
    default: return WIRE_HTTP;
    }
}

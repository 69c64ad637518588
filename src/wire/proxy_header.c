/* The PROXY protocol's header, versions 1 and 2. Sections are those of proxy-protocol.txt. */
#include "wire/proxy_header.h"

#include <string.h>

static enum wire_status bad(struct proxy_header *header, const char *reason)
{
    header->reason = reason;
    return WIRE_BAD;
}

/* Version 1 (section 2.1): a line of text. */

#define V1_START "PROXY "
#define V1_START_LENGTH 6
#define V1_MAX 107 /* with CR and LF */

/* A word of the line, which is followed by `end`. False: there is none, or it is too long. */
static bool cut_word(const char **at, char end, char *word, size_t size)
{
    const char *stop = strchr(*at, end);
    size_t length = stop != NULL ? (size_t)(stop - *at) : 0;

    if (length == 0 || length >= size)
        return false;
    memcpy(word, *at, length);
    word[length] = '\0';
    *at = stop + 1;
    return true;
}

/* "0" to "65535", without zeroes before the number. */
static bool take_text_port(const char *word, uint16_t *port)
{
    unsigned number = 0;

    if (word[0] == '0' && word[1] != '\0')
        return false;
    for (const char *c = word; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            return false;
        number = number * 10 + (unsigned)(*c - '0');
        if (number > UINT16_MAX)
            return false;
    }
    *port = (uint16_t)number;
    return true;
}

static bool proved_address(const char *word, bool v4, struct ip *ip)
{
    return (strchr(word, ':') == NULL) == v4 && word[0] != '[' && ip_parse(word, ip);
}

/* "SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT\r" */
static bool read_v1_addresses(const char *at, bool v4, struct proxy_header *header)
{
    char source[IP_TEXT_MAX], destination[IP_TEXT_MAX], from[6], to[6];
    struct ip there;
    uint16_t port;

    if (!cut_word(&at, ' ', source, sizeof source) ||
        !cut_word(&at, ' ', destination, sizeof destination) ||
        !cut_word(&at, ' ', from, sizeof from) || !cut_word(&at, '\r', to, sizeof to))
        return false;
    header->source = PROXY_SOURCE_IP;
    return *at == '\0' && proved_address(source, v4, &header->ip) &&
           proved_address(destination, v4, &there) && take_text_port(from, &header->port) &&
           take_text_port(to, &port);
}

static enum wire_status read_v1_line(const char *line, struct proxy_header *header)
{
    const char *rest = line + V1_START_LENGTH;

    if (strncmp(rest, "UNKNOWN", 7) == 0 && (rest[7] == ' ' || rest[7] == '\r'))
        return WIRE_OK; /* (what may follow is ignored) */
    if (strncmp(rest, "TCP4 ", 5) != 0 && strncmp(rest, "TCP6 ", 5) != 0)
        return bad(header, "it is neither TCP4, TCP6 nor UNKNOWN");
    if (!read_v1_addresses(rest + 5, rest[3] == '4', header))
        return bad(header, "its addresses and ports are malformed");
    return WIRE_OK;
}

static enum wire_status parse_v1(const uint8_t *bytes, size_t length, size_t *used,
                                 struct proxy_header *header)
{
    size_t seen = length < V1_MAX ? length : V1_MAX;
    const uint8_t *end = memchr(bytes, '\n', seen);
    char line[V1_MAX + 1];
    size_t line_length;

    if (end == NULL && seen == V1_MAX)
        return bad(header, "its line is longer than 107 bytes");
    if (memchr(bytes, '\0', end != NULL ? (size_t)(end - bytes) : seen) != NULL)
        return bad(header, "its line has a NUL");
    if (end == NULL)
        return WIRE_MORE;
    line_length = (size_t)(end - bytes);
    memcpy(line, bytes, line_length);
    line[line_length] = '\0';
    if (line[line_length - 1] != '\r')
        return bad(header, "its line does not end with CR and LF");
    *used = line_length + 1;
    return read_v1_line(line, header);
}

/* Version 2 (section 2.2). */

static const uint8_t signature[12] = {'\r', '\n', '\r', '\n', 0,   '\r',
                                      '\n', 'Q',  'U',  'I',  'T', '\n'};

#define V2_FIXED 16 /* signature, version and command, family and protocol, length */
#define UNIX_ADDRESSES 216

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { OVER_NOTHING = 0x00, OVER_TCP4 = 0x11, OVER_TCP6 = 0x21, OVER_UNIX_STREAM = 0x31 };
enum { TLV_CRC32C = 0x03, TLV_UNIQUE_ID = 0x05 };

static unsigned two_bytes(const uint8_t *at)
{
    return (unsigned)(at[0] << 8 | at[1]);
}

/* CRC32C (RFC 3720 appendix B.4) of the header, whose four bytes from `hole` on count as zeroes. */
static uint32_t header_crc(const uint8_t *bytes, size_t length, size_t hole)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < length; i++) {
        crc ^= i >= hole && i < hole + 4 ? 0 : bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* What a header's TLVs say. */
struct tlvs {
    size_t crc_at; /* where the CRC32C stands in the header; 0: nowhere */
    bool has_id;
};

/* Takes one TLV in, whose value is at `at`. NULL, or what is wrong. */
static const char *take_tlv(struct tlvs *tlvs, const uint8_t *bytes, size_t at, size_t length,
                            struct proxy_header *header)
{
    uint8_t type = bytes[at - 3];

    if (type == TLV_CRC32C) {
        if (length != 4 || tlvs->crc_at != 0)
            return "it has not one CRC32C of four bytes";
        tlvs->crc_at = at;
    } else if (type == TLV_UNIQUE_ID) {
        if (length > PROXY_UNIQUE_ID_MAX || tlvs->has_id)
            return "it has not one UNIQUE_ID of at most 128 bytes";
        tlvs->has_id = true;
        header->unique_id_length = length;
        memcpy(header->unique_id, bytes + at, length);
    }
    return NULL;
}

/* The TLVs (section 2.2.1 on) fill the header from `at` to its end. */
static enum wire_status read_tlvs(const uint8_t *bytes, size_t at, size_t end,
                                  struct proxy_header *header)
{
    struct tlvs tlvs = {0};

    while (at < end) {
        const char *wrong;
        size_t length;
        if (end - at < 3)
            return bad(header, "its last TLV is cut short");
        length = two_bytes(bytes + at + 1);
        if (length > end - at - 3)
            return bad(header, "a TLV is longer than the header");
        wrong = take_tlv(&tlvs, bytes, at + 3, length, header);
        if (wrong != NULL)
            return bad(header, wrong);
        at += 3 + length;
    }
    if (tlvs.crc_at != 0) {
        const uint8_t *crc = bytes + tlvs.crc_at;
        if (header_crc(bytes, end, tlvs.crc_at) !=
            ((uint32_t)two_bytes(crc) << 16 | two_bytes(crc + 2)))
            return bad(header, "its CRC32C is wrong");
    }
    return WIRE_OK;
}

/* How long the addresses of a family are; -1: it is none that a TCP or unix connection has. */
static int addresses_length(uint8_t family)
{
    switch (family) {
    case OVER_NOTHING: return 0; /* (HAProxy's TLVs follow at once) */
    case OVER_TCP4: return 2 * 4 + 2 * 2;
    case OVER_TCP6: return 2 * 16 + 2 * 2;
    case OVER_UNIX_STREAM: return UNIX_ADDRESSES;
    default: return -1;
    }
}

static void take_source(const uint8_t *bytes, struct proxy_header *header)
{
    const uint8_t *addresses = bytes + V2_FIXED;
    uint8_t family = bytes[13];

    if (family == OVER_TCP4) {
        memset(header->ip.bytes, 0, 10);
        memset(header->ip.bytes + 10, 0xff, 2);
        memcpy(header->ip.bytes + 12, addresses, 4);
        header->port = (uint16_t)two_bytes(addresses + 8);
        header->source = PROXY_SOURCE_IP;
    } else if (family == OVER_TCP6) {
        memcpy(header->ip.bytes, addresses, 16);
        header->port = (uint16_t)two_bytes(addresses + 32);
        header->source = PROXY_SOURCE_IP;
    } else if (family == OVER_UNIX_STREAM) {
        header->source = PROXY_SOURCE_UNIX;
    }
}

static enum wire_status parse_v2(const uint8_t *bytes, size_t length, size_t *used,
                                 struct proxy_header *header)
{
    size_t end, addresses;
    bool local;

    if (length > 12 && bytes[12] != COMMAND_LOCAL && bytes[12] != COMMAND_PROXY)
        return bad(header, "its version or command is unknown");
    local = length > 12 && bytes[12] == COMMAND_LOCAL;
    if (length > 13 && !local && addresses_length(bytes[13]) < 0)
        return bad(header, "its address family or protocol is none of a TCP or unix connection");
    if (length < V2_FIXED)
        return WIRE_MORE;
    end = V2_FIXED + two_bytes(bytes + 14);
    addresses = local ? 0 : (size_t)addresses_length(bytes[13]);
    if (end < V2_FIXED + addresses)
        return bad(header, "it is shorter than its addresses");
    if (length < end)
        return WIRE_MORE;
    *used = end;
    if (local)
        return WIRE_OK;
    take_source(bytes, header);
    return read_tlvs(bytes, V2_FIXED + addresses, end, header);
}

/* Whether the bytes are those of `start`, as far as there are any. */
static bool begins_with(const uint8_t *bytes, size_t length, const void *start, size_t start_length)
{
    return memcmp(bytes, start, length < start_length ? length : start_length) == 0;
}

enum wire_status proxy_header_parse(struct proxy_versions versions, const uint8_t *bytes,
                                    size_t length, size_t *used, struct proxy_header *header)
{
    *header = (struct proxy_header){0};
    if (length == 0)
        return WIRE_MORE;
    if (versions.v1 && begins_with(bytes, length, V1_START, V1_START_LENGTH))
        return parse_v1(bytes, length, used, header);
    if (versions.v2 && begins_with(bytes, length, signature, sizeof signature))
        return parse_v2(bytes, length, used, header);
    return bad(header, "the connection does not begin with one");
}

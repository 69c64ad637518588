/* Reading, writing and comparing addresses and networks. */
#include "base/ip.h"

#include "base/units.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define V4_OFFSET 12 /* where the four octets of an IPv4 address lie in its v4-mapped form */
#define V4_BITS 96   /* the prefix that all v4-mapped addresses share */

static const uint8_t v4_prefix[V4_OFFSET] = {[10] = 0xff, [11] = 0xff};
static const uint8_t zeroes[16];

static void ip_set_v4(struct ip *ip, const void *octets)
{
    memcpy(ip->bytes, v4_prefix, V4_OFFSET);
    memcpy(ip->bytes + V4_OFFSET, octets, 4);
}

bool ip_parse(const char *text, struct ip *ip)
{
    char bare[IP_TEXT_MAX];
    uint8_t octets[4];
    size_t length = strlen(text);

    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (length >= sizeof(bare))
        return false;
    memcpy(bare, text, length);
    bare[length] = '\0';

    if (inet_pton(AF_INET, bare, octets) == 1) {
        ip_set_v4(ip, octets);
        return true;
    }
    struct ip six;
    if (inet_pton(AF_INET6, bare, six.bytes) != 1)
        return false;
    *ip = six;
    return true;
}

bool ip_parse_loose(const char *text, struct ip *ip)
{
    const char *zone = strchr(text, '%');
    char bare[IP_TEXT_MAX];
    struct in_addr in;

    if (zone && memchr(text, ':', (size_t)(zone - text))) {
        if ((size_t)(zone - text) >= sizeof(bare))
            return false;
        memcpy(bare, text, (size_t)(zone - text));
        bare[zone - text] = '\0';
        return ip_parse(bare, ip);
    }
    if (ip_parse(text, ip))
        return true;
    /* glibc's inet_aton stops at white space, getaddrinfo does not. */
    if (strpbrk(text, " \t\n\v\f\r") || inet_aton(text, &in) == 0)
        return false;
    ip_set_v4(ip, &in);
    return true;
}

const char *ip_format(const struct ip *ip, char text[static IP_TEXT_MAX])
{
    const uint8_t *b = ip->bytes;

    if (ip_is_v4(ip))
        return inet_ntop(AF_INET, b + V4_OFFSET, text, IP_TEXT_MAX);

    /* inet_ntop(3) still writes the deprecated v4-compatible addresses with a dotted quad, which
     * looks like IPv4 and can be longer than what was read. */
    if (memcmp(b, zeroes, V4_OFFSET) == 0 && (b[12] != 0 || b[13] != 0)) {
        snprintf(text, IP_TEXT_MAX, "::%x:%x", b[12] << 8 | b[13], b[14] << 8 | b[15]);
        return text;
    }
    return inet_ntop(AF_INET6, b, text, IP_TEXT_MAX);
}

bool ip_is_v4(const struct ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, V4_OFFSET) == 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool ip_is_unspecified(const struct ip *ip)
{
    static const struct ip v6;
    static const struct ip v4 = {.bytes = {[10] = 0xff, [11] = 0xff}};

    return ip_equal(ip, &v6) || ip_equal(ip, &v4);
}

bool ip_is_loopback(const struct ip *ip)
{
    if (ip_is_v4(ip))
        return ip->bytes[V4_OFFSET] == 127;
    return memcmp(ip->bytes, zeroes, 15) == 0 && ip->bytes[15] == 1;
}

bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip, uint16_t *port)
{
    /* Copied out, because a struct sockaddr need not be aligned for its family. */
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    switch (sa->sa_family) {
    case AF_INET:
        memcpy(&in, sa, sizeof(in));
        ip_set_v4(ip, &in.sin_addr);
        *port = ntohs(in.sin_port);
        return true;
    case AF_INET6:
        memcpy(&in6, sa, sizeof(in6));
        memcpy(ip->bytes, &in6.sin6_addr, sizeof(ip->bytes));
        *port = ntohs(in6.sin6_port);
        return true;
    default: return false;
    }
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa)
{
    memset(sa, 0, sizeof(*sa));
    if (ip_is_v4(ip)) {
        struct sockaddr_in *in = (struct sockaddr_in *)sa;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, ip->bytes + V4_OFFSET, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sa;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, ip->bytes, sizeof(ip->bytes));
    return sizeof(*in6);
}

/* Whether the first `bits` of two addresses are the same. */
static bool prefix_equal(const struct ip *a, const struct ip *b, unsigned bits)
{
    unsigned whole = bits / 8;

    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    if (bits % 8 == 0)
        return true;
    return (a->bytes[whole] ^ b->bytes[whole]) >> (8 - bits % 8) == 0;
}

/* Whether a bit after the first `bits` is set. */
static bool has_host_bits(const struct ip *ip, unsigned bits)
{
    for (unsigned i = bits; i < 128; i++) {
        if (ip->bytes[i / 8] & (0x80 >> i % 8))
            return true;
    }
    return false;
}

bool cidr_parse(const char *text, struct cidr *net)
{
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    char address[IP_TEXT_MAX + 2]; /* brackets */
    struct ip ip;

    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (!ip_parse(address, &ip))
        return false;

    /* A dotted quad counts its prefix from its own first bit, a v4-mapped literal from the 128
     * bits. */
    unsigned before = strchr(address, ':') ? 0 : V4_BITS;
    uint64_t bits = 128 - before;
    if (slash && !integer_parse(slash + 1, 0, 128 - before, &bits))
        return false;
    bits += before;
    if (has_host_bits(&ip, (unsigned)bits))
        return false;

    net->ip = ip;
    net->bits = (uint8_t)bits;
    return true;
}

bool cidr_contains(const struct cidr *net, const struct ip *ip)
{
    /* Without this "::/0" would be the IPv4 Internet too. */
    if (net->bits < V4_BITS && ip_is_v4(ip))
        return false;
    return prefix_equal(&net->ip, ip, net->bits);
}

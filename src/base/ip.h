/* Addresses and networks. An IPv4 address is held as its v4-mapped IPv6 form (RFC 4291 section
 * 2.5.5.2), so that ::ffff:10.0.0.1 and 10.0.0.1 are the same address to every rule. */
#ifndef ADIT_BASE_IP_H
#define ADIT_BASE_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define IP_TEXT_MAX INET6_ADDRSTRLEN

struct ip {
    uint8_t bytes[16];
};

/* A network: the first `bits` (0 to 128, counted in the v4-mapped form) of `ip` matter. */
struct cidr {
    struct ip ip;
    uint8_t bits;
};

/* Reads an IPv4 dotted quad or an IPv6 literal, with or without brackets, no zone. False: it is
 * none. inet_pton's strict forms only: "127.1" and "0x7f.1" are names, not addresses. */
bool ip_parse(const char *text, struct ip *ip);

/* Reads also what getaddrinfo(3) at the far end would take for an address although it is none to
 * ip_parse: "127.1", "0x7f.1" and "2130706433" of inet_aton(3), and an IPv6 literal with a
 * zone, which is dropped. For deciding what a name must not reach. */
bool ip_parse_loose(const char *text, struct ip *ip);

/* Writes the address and returns `text`: dotted quad for IPv4 (v4-mapped), RFC 5952 else, never
 * brackets. */
const char *ip_format(const struct ip *ip, char text[static IP_TEXT_MAX]);

bool ip_is_v4(const struct ip *ip);
bool ip_equal(const struct ip *a, const struct ip *b);
bool ip_is_unspecified(const struct ip *ip); /* 0.0.0.0 and :: */
bool ip_is_loopback(const struct ip *ip);    /* 127.0.0.0/8 and ::1 */

/* From and to socket addresses. ip_from_sockaddr is false for families that are not IP;
 * ip_to_sockaddr gives AF_INET for v4 and returns the length. Ports are in host order. */
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip, uint16_t *port);
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa);

/* Reads "10.0.0.0/8", "2001:db8::/32", or a lone address (a network of one). Host bits set beyond
 * the prefix are an error (false), as they hide a mistake. "::ffff:10.0.0.0/104" is 10.0.0.0/8. */
bool cidr_parse(const char *text, struct cidr *net);

/* An IPv6 network holds no IPv4 address: "::/0" is all of IPv6, "0.0.0.0/0" all of IPv4. */
bool cidr_contains(const struct cidr *net, const struct ip *ip);

#endif

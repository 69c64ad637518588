/* The room wire/ knows what clients send (SOCKS, HTTP, OpenSSH's multiplexing), what balancers send
 * before it (PROXY), and the formats of key files. It has no thread of its own: workers call it,
 * for the control socket the main thread, and for key files the threads that log in.
 *
 * What every parser of this room shares: bytes in, a verdict and a struct out. No descriptor, no
 * allocation, no clock, no log. A parser is called with all the bytes that have come so far; it
 * looks at them afresh each time and commits nothing until it answers WIRE_OK; `outcome`, where
 * there is one, means something after WIRE_BAD only. Bytes after `used` are not its business: they
 * are the relay's first bytes. */
#ifndef ADIT_WIRE_WIRE_H
#define ADIT_WIRE_WIRE_H

#include "base/hostport.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_status {
    WIRE_OK,   /* parsed: `used` bytes belong to it */
    WIRE_MORE, /* a valid beginning: call again with more */
    WIRE_BAD,  /* can never become valid; the parser's `outcome` says how to answer */
};

enum wire_protocol { WIRE_SOCKS5, WIRE_SOCKS4, WIRE_HTTP };
#define WIRE_PROTOCOLS 3

enum wire_command {
    WIRE_CONNECT,       /* a byte stream to the target */
    WIRE_BIND,          /* RFC 1928 section 4, SOCKS4 BIND */
    WIRE_UDP_ASSOCIATE, /* RFC 1928 section 4 */
    WIRE_FORWARD,       /* HTTP in absolute-form: the head is rewritten and goes first */
};

/* The target a client asks for. `host` is normalised (host_normalise): a name, or an address as
 * text. */
struct wire_target {
    char host[HOST_MAX + 1];
    uint16_t port;
    bool is_ip;   /* host is an address, whichever way the client wrote it */
    struct ip ip; /* valid if is_ip */
};

#define WIRE_CREDENTIAL_MAX 255 /* RFC 1929: one length octet */

struct wire_credentials {
    bool given;
    char user[WIRE_CREDENTIAL_MAX + 1];
    char password[WIRE_CREDENTIAL_MAX + 1];
};

/* Fills a target from host text of `length` bytes; false for an empty host, NUL, control bytes,
 * spaces, too long a name, or more than one dot at its end ("a.." would go out as "a.", which
 * resolves as the "a" that a rule may deny). Shared by the parsers. */
bool wire_target_set(struct wire_target *target, const char *host, size_t length, uint16_t port);

/* Fills a target from an address in network order: `length` 4 for IPv4 or 16 for IPv6. */
void wire_target_set_address(struct wire_target *target, const uint8_t *address, size_t length,
                             uint16_t port);

/* Which protocol the first byte announces: 0x05, 0x04, else HTTP. */
enum wire_protocol wire_sniff(uint8_t first);

#endif

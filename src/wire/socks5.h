/* SOCKS5: RFC 1928, and RFC 1929 for username/password. Three parsers, one for each message of the
 * client. Pure; any thread. */
#ifndef ADIT_WIRE_SOCKS5_H
#define ADIT_WIRE_SOCKS5_H

#include "wire/socks.h"

#define SOCKS5_METHOD_NONE 0x00
#define SOCKS5_METHOD_PASSWORD 0x02
#define SOCKS5_METHOD_NO_ACCEPTABLE 0xff

/* RFC 1928 section 3: version, methods. Fills which of the two supported methods were offered. */
struct socks5_greeting {
    bool none;
    bool password;
};
enum wire_status socks5_greeting_parse(const uint8_t *bytes, size_t length, size_t *used,
                                       struct socks5_greeting *greeting);

/* RFC 1929 section 2. An empty user or password is well-formed; NUL inside either is WIRE_BAD. */
enum wire_status socks5_password_parse(const uint8_t *bytes, size_t length, size_t *used,
                                       struct wire_credentials *credentials);

/* RFC 1928 section 4. ATYP 1, 3, 4; an IP literal in ATYP 3 becomes an address. On WIRE_BAD
 * request->outcome is OUTCOME_ADDRESS_TYPE, OUTCOME_COMMAND or OUTCOME_MALFORMED. A well-formed
 * BIND or UDP ASSOCIATE is WIRE_OK: refusing it is the gateway's decision. */
enum wire_status socks5_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                      struct socks_request *request);

/* Replies; each returns the length written. */
size_t socks5_method_reply(uint8_t method, uint8_t out[static 2]);
size_t socks5_password_reply(bool accepted, uint8_t out[static 2]);

/* RFC 1928 section 6; `bound` NULL gives ATYP 1, 0.0.0.0. */
#define SOCKS5_REPLY_MAX 22
size_t socks5_reply(enum outcome outcome, const struct ip *bound, uint16_t port,
                    uint8_t out[static SOCKS5_REPLY_MAX]);

#endif

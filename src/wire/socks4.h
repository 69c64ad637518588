/* SOCKS4 and SOCKS4a ("SOCKS: A protocol for TCP proxy across firewalls", and "SOCKS 4A", Ying-Da
 * Lee). */
#ifndef ADIT_WIRE_SOCKS4_H
#define ADIT_WIRE_SOCKS4_H

#include "wire/socks.h"

/* One request. USERID goes to request->user (at most WIRE_CREDENTIAL_MAX bytes, else WIRE_BAD): it
 * is a name and no proof of it. DSTIP 0.0.0.x with x not 0 means a name follows (4a). */
enum wire_status socks4_request_parse(const uint8_t *bytes, size_t length, size_t *used,
                                      struct socks_request *request);

/* The 8-byte reply; `bound` is written when it is IPv4, zeroes else. Returns 8. */
#define SOCKS4_REPLY_MAX 8
size_t socks4_reply(enum outcome outcome, const struct ip *bound, uint16_t port,
                    uint8_t out[static SOCKS4_REPLY_MAX]);

#endif

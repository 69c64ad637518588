/* The PROXY protocol's header, by which a balancer says from where the connection came that it
 * passes on: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, versions 1 and 2.
 * Pure; any thread. */
#ifndef ADIT_WIRE_PROXY_HEADER_H
#define ADIT_WIRE_PROXY_HEADER_H

#include "wire/wire.h"

/* Section 2.2.5: PP2_TYPE_UNIQUE_ID has at most so many bytes. */
#define PROXY_UNIQUE_ID_MAX 128

enum proxy_source {
    PROXY_SOURCE_CONNECTION, /* the header names none: LOCAL, UNKNOWN, AF_UNSPEC */
    PROXY_SOURCE_IP,         /* `ip` and `port` */
    PROXY_SOURCE_UNIX,       /* a unix socket at the balancer */
};

struct proxy_header {
    enum proxy_source source;
    struct ip ip;
    uint16_t port;
    size_t unique_id_length; /* 0: the header has none */
    uint8_t unique_id[PROXY_UNIQUE_ID_MAX];
    const char *reason; /* after WIRE_BAD: what is wrong, in words; static */
};

/* Which versions are read. */
struct proxy_versions {
    bool v1, v2;
};

/* Reads a header from the first bytes of a connection. A header that breaks the specification is
 * WIRE_BAD, at its first wrong byte in version 1, and in version 2 at the latest when it is whole:
 * leading zeroes, an address of the other family, UDP (the connection is no datagram), TLVs that do
 * not fill the header exactly, a CRC32C that is not the header's, one of these TLVs given twice. Of
 * a LOCAL header all behind its length is skipped unread, as section 2.2 asks. */
enum wire_status proxy_header_parse(struct proxy_versions versions, const uint8_t *bytes,
                                    size_t length, size_t *used, struct proxy_header *header);

#endif

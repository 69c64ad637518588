/* "host:port" in the forms OpenSSH and URLs use. */
#ifndef ADIT_BASE_HOSTPORT_H
#define ADIT_BASE_HOSTPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_MAX 255 /* RFC 1035 section 2.3.4, and what one length octet of SOCKS5 can say */

/* Reads a decimal port 1..65535 that fills `text` whole (0 too where `zero_ok`). */
bool port_parse(const char *text, bool zero_ok, uint16_t *port);

/* Splits "host:port" or "[v6]:port" (`length` bytes, no NUL needed) into a NUL-terminated host
 * without brackets and a port. With `default_port` not 0 the port may be missing ("host", "[v6]",
 * and a bare v6 literal). False: malformed, empty host, a host over HOST_MAX, NUL, control bytes,
 * space or brackets in it; brackets round something with a colon that is no IPv6 literal (a zone is
 * not read). */
bool hostport_split(const char *text, size_t length, uint16_t default_port,
                    char host[static HOST_MAX + 1], uint16_t *port);

/* The same of a host that this machine connects to itself: an IPv6 literal may have a zone, which
 * stays with the host ("fe80::1%eth0", RFC 4007 section 11). */
bool hostport_split_zoned(const char *text, size_t length, uint16_t default_port,
                          char host[static HOST_MAX + 1], uint16_t *port);

/* "host:port", with brackets round a host that holds a colon. Returns `text`. */
#define HOSTPORT_TEXT_MAX (HOST_MAX + 9)
const char *hostport_format(const char *host, uint16_t port, char text[static HOSTPORT_TEXT_MAX]);

/* Lower case, one trailing dot dropped, an IP literal (also v4-mapped, also in brackets) in
 * ip_format's form: the form in which names are compared and cached. In place: it can become a byte
 * longer, as RFC 5952 writes "1::2:3:4:5:6:7" as "1:0:2:3:4:5:6:7". */
void host_normalise(char host[static HOST_MAX + 1]);

#endif

/* Splitting, joining and normalising hosts and ports. */
#include "base/hostport.h"

#include "base/ip.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

#define ZONE_MAX 15 /* IFNAMSIZ - 1 */

bool port_parse(const char *text, bool zero_ok, uint16_t *port)
{
    uint64_t value;

    if (!integer_parse(text, zero_ok ? 0 : 1, UINT16_MAX, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

/* Copies a host out of a larger text; false for what can be no host. */
static bool host_copy(const char *text, size_t length, char host[static HOST_MAX + 1])
{
    if (length == 0 || length > HOST_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == 0x7f || c == '[' || c == ']')
            return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    return true;
}

/* Reads what follows the host: nothing (the default port, if there is one) or ":PORT". */
static bool port_after_host(const char *text, size_t length, uint16_t default_port, uint16_t *port)
{
    char digits[8];

    if (length == 0) {
        *port = default_port;
        return default_port != 0;
    }
    if (text[0] != ':' || length > sizeof(digits) || memchr(text, '\0', length))
        return false;
    memcpy(digits, text + 1, length - 1);
    digits[length - 1] = '\0';
    return port_parse(digits, false, port);
}

bool hostport_split(const char *text, size_t length, uint16_t default_port,
                    char host[static HOST_MAX + 1], uint16_t *port)
{
    const char *end = text + length;
    const char *rest;
    struct ip ip;

    if (length == 0)
        return false;
    if (text[0] == '[') {
        const char *close = memchr(text, ']', length);
        if (!close || !host_copy(text + 1, (size_t)(close - text) - 1, host))
            return false;
        if (strchr(host, ':') && !ip_parse(host, &ip))
            return false;
        rest = close + 1;
        return port_after_host(rest, (size_t)(end - rest), default_port, port);
    }

    rest = memchr(text, ':', length);
    if (rest && memchr(rest + 1, ':', (size_t)(end - rest) - 1)) {
        *port = default_port;
        return default_port != 0 && host_copy(text, length, host) && ip_parse(host, &ip);
    }
    if (!rest)
        rest = end;
    return host_copy(text, (size_t)(rest - text), host) &&
           port_after_host(rest, (size_t)(end - rest), default_port, port);
}

/* How many bytes of a zone, with its '%', stand at `text`; 0: none that an interface can have. */
static size_t zone_length(const char *text, size_t length)
{
    size_t zone = 1;

    while (zone < length && text[zone] != ']' && text[zone] != ':' && text[zone] > ' ')
        zone++;
    return zone > 1 && zone <= ZONE_MAX + 1 ? zone : 0;
}

bool hostport_split_zoned(const char *text, size_t length, uint16_t default_port,
                          char host[static HOST_MAX + 1], uint16_t *port)
{
    const char *percent = memchr(text, '%', length);
    char without[HOSTPORT_TEXT_MAX];
    size_t before, zone, left;

    if (!percent || length > HOST_MAX)
        return hostport_split(text, length, default_port, host, port);
    before = (size_t)(percent - text);
    zone = zone_length(percent, length - before);
    left = length - before - zone;
    memcpy(without, text, before);
    memcpy(without + before, percent + zone, left);
    if (zone == 0 || !hostport_split(without, before + left, default_port, host, port) ||
        !strchr(host, ':'))
        return false;
    before = strlen(host);
    memcpy(host + before, percent, zone);
    host[before + zone] = '\0';
    return true;
}

const char *hostport_format(const char *host, uint16_t port, char text[static HOSTPORT_TEXT_MAX])
{
    bool colon = strchr(host, ':') != NULL;

    snprintf(text, HOSTPORT_TEXT_MAX, "%s%.*s%s:%u", colon ? "[" : "", HOST_MAX, host,
             colon ? "]" : "", port);
    return text;
}

void host_normalise(char host[static HOST_MAX + 1])
{
    size_t length = strlen(host);
    char text[IP_TEXT_MAX];
    struct ip ip;

    if (length > 1 && host[length - 1] == '.')
        host[--length] = '\0';
    if (ip_parse(host, &ip)) {
        strcpy(host, ip_format(&ip, text));
        return;
    }
    /* Not tolower(3): a name means the same in every locale. */
    for (char *c = host; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
}

/* The addresses of a network interface, by getifaddrs(3). */
#include "io/interface_address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

/* (Of IPv4 only 127.0.0.1 counts, as in ssh: another address of lo is given on purpose.) */
static bool is_local_only(const struct sockaddr *address)
{
    const struct in6_addr *six;

    if (address->sa_family == AF_INET)
        return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    six = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(six) || IN6_IS_ADDR_LINKLOCAL(six);
}

/* The first address that suits; NULL: none. */
static const struct sockaddr *first_address(const struct ifaddrs *all, const char *name, int family,
                                            bool local_only)
{
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == family && i->ifa_flags & IFF_UP &&
            strcmp(i->ifa_name, name) == 0 && is_local_only(i->ifa_addr) == local_only)
            return i->ifa_addr;
    return NULL;
}

int interface_address(const char *name, int family, struct sockaddr_storage *address,
                      socklen_t *length)
{
    const struct sockaddr *found;
    struct ifaddrs *all;

    if (getifaddrs(&all) != 0)
        return errno;
    found = first_address(all, name, family, false);
    if (found == NULL)
        found = first_address(all, name, family, true);
    if (found != NULL) {
        *length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(address, found, *length);
    }
    freeifaddrs(all);
    return found != NULL ? 0 : ENODEV;
}

/* The addresses of a network interface, for any thread. */
#ifndef ADIT_IO_INTERFACE_ADDRESS_H
#define ADIT_IO_INTERFACE_ADDRESS_H

#include <sys/socket.h>

/* Fills in the interface's first address of the family (AF_INET, AF_INET6), as ssh's BindInterface
 * has it: one that is neither 127.0.0.1, ::1 nor link-local, if there is one (getifaddrs(3)).
 * Returns 0, or an errno; ENODEV: there is no such interface, it is not up, or it has no such
 * address. */
int interface_address(const char *name, int family, struct sockaddr_storage *address,
                      socklen_t *length);

#endif

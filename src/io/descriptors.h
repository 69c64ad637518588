/* Which uses may take the last descriptors of the process. Any thread. */
#ifndef ADIT_IO_DESCRIPTORS_H
#define ADIT_IO_DESCRIPTORS_H

#include <stdbool.h>

/* What a descriptor is for. Each kind leaves some to the kinds below it. The bounds are of the soft
 * limit of RLIMIT_NOFILE; the kernel gives the lowest descriptor that is free, so that a descriptor
 * beyond a bound shows that all below are taken. */
enum descriptor_use {
    /* Connections from this machine for clients of remote forwards: everybody who can reach the
     * port of the server causes them. They leave a quarter of all descriptors to local clients. */
    DESCRIPTOR_REMOTE_FORWARD,
    /* Clients that are accepted here, and DNS through the tunnel for them. They leave the last 64,
     * or the last quarter if that is less. */
    DESCRIPTOR_CLIENT,
    /* What clients need, and what has other bounds: SSH sessions that are dialled (with their
     * agents, jump hosts and programs), control connections, the local resolver's sockets, files
     * that are read. These may have any. */
    DESCRIPTOR_GATEWAY,
};

/* The first descriptor that this use leaves to others, of today's limit; INT_MAX: none. Any thread.
 */
int descriptor_bound(enum descriptor_use use);

/* Whether `fd` is one that this use leaves to others. Any thread. */
bool descriptor_is_reserved(int fd, enum descriptor_use use);

/* Closes such a descriptor, and gives -1 with errno EMFILE; else `fd`, which may be -1. */
int descriptor_unless_reserved(int fd, enum descriptor_use use);

#endif

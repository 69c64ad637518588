/* Unix sockets by their paths: addresses, and connecting. Any thread. */
#ifndef ADIT_IO_UNIX_CONNECT_H
#define ADIT_IO_UNIX_CONNECT_H

#include "io/descriptors.h"

#include <stdbool.h>
#include <sys/un.h>

/* The address of a path (unix(7)). False, with errno ENAMETOOLONG: the path does not fit, which
 * would otherwise lead to another socket. */
bool unix_address(const char *path, struct sockaddr_un *address);

/* Connects without waiting: a non-blocking descriptor, the caller's, or -1 and errno. EAGAIN: as
 * many connections as the listener allows wait to be accepted. Where only descriptors are left that
 * `use` leaves to others, the error is EMFILE. */
int unix_connect(const char *path, enum descriptor_use use);

/* Waits up to `milliseconds` for a listener that has no room for another connection; then errno is
 * ETIMEDOUT. The descriptor blocks. Not for a thread with a loop. */
int unix_connect_wait(const char *path, enum descriptor_use use, int milliseconds);

#endif

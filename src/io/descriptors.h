/* The last descriptors of the process, which connections leave to what they depend on. */
#ifndef ADIT_IO_DESCRIPTORS_H
#define ADIT_IO_DESCRIPTORS_H

#include <stdbool.h>

/* Whether `fd` is one of the last descriptors below the soft limit of RLIMIT_NOFILE (64, or a
 * quarter of them all if that is less). The kernel gives the lowest descriptor that is free, so
 * that there are no others left then.
 *
 * Ordinary connections must not have them: clients (io/acceptor), what comes in by remote forwards
 * and leads to this machine's network (gateway/client_direct), DNS through a tunnel
 * (gateway/names). They are for what ordinary connections are of no use without, and what is
 * bounded otherwise: SSH sessions that are dialled (with their agents, jump hosts and programs),
 * control connections, the local resolver's sockets, and files that are read. Any thread. */
bool descriptor_is_reserved(int fd);

/* Closes `fd` if it is reserved, and gives -1 with errno EMFILE then; else `fd`, which may be -1.
 */
int descriptor_unless_reserved(int fd);

#endif

/* The listening sockets that systemd, or another program, has passed to this process
 * (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). They stay open until the process
 * ends, so that a reload can listen on them again. */
#ifndef ADIT_IO_PASSED_SOCKETS_H
#define ADIT_IO_PASSED_SOCKETS_H

#include <stddef.h>

/* Takes them from the environment, from which it removes the variables: programs that this process
 * runs get none of the sockets. Once, before there is another thread. */
void passed_sockets_take(void);

/* How many have that name, and the descriptor of one of them, which stays the process's; -1: there
 * is none. Any thread. */
size_t passed_sockets_count(const char *name);
int passed_socket(const char *name, size_t index);

/* The names of all, as "a, b", or "none". The caller frees. */
char *passed_sockets_names(void);

#endif

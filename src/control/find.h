/* Finding the tunnels of this user that run, by their control sockets (conf/tunnel_socket.h). For
 * `adit -O`, in a process that has no other threads. */
#ifndef ADIT_CONTROL_FIND_H
#define ADIT_CONTROL_FIND_H

#include <stdbool.h>

/* The path of the control socket of the one tunnel to the host that runs, if `path` is NULL or
 * nobody listens there. Returns it, or `path`; NULL: there is none, or there are several, which was
 * written to standard error. The caller frees. */
char *control_find(const char *path, const char *host);

/* Carries out `adit -O list`: prints a line for each tunnel, or an array of JSON, and returns the
 * exit status, which is 0 if none runs. */
int control_list(bool json);

#endif

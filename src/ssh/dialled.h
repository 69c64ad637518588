/* What a dial hands over, and what a session is built from. Only for this room. */
#ifndef ADIT_SSH_DIALLED_H
#define ADIT_SSH_DIALLED_H

#include "ssh/dial.h"

#include <libssh/libssh.h>

struct dialled {
    ssh_session handle;
    int handle_fd; /* the descriptor that libssh was given */
    int watch_fd;  /* a descriptor of the same socket for our own poll: libssh closes its own
                      whenever it likes */
    struct connection_info info;
};

/* Takes the handle, and a descriptor of its socket for our own poll (-1: there was none to be had).
 */
struct dialled *dialled_new(ssh_session handle, int handle_fd, int watch_fd,
                            const struct connection_info *info);

/* Frees a handle (NULL is fine) and closes its descriptor `handle_fd`, of whose socket `watch_fd`
 * is another one; with `polite` the server gets SSH_MSG_DISCONNECT first. */
void handle_end(ssh_session handle, bool polite, int handle_fd, int watch_fd);

#endif

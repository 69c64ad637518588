/* What a dial hands over, and what a session is built from. Only for this room. */
#ifndef ADIT_SSH_DIALLED_H
#define ADIT_SSH_DIALLED_H

#include "ssh/dial.h"

#include <libssh/libssh.h>

struct dialled {
    ssh_session handle;
    int watch_fd; /* a descriptor of the same socket for our own poll: libssh closes its own
                     whenever it likes */
};

/* Takes the handle. */
struct dialled *dialled_new(ssh_session handle);

/* Takes the descriptor, or -1 when there was none to be had. */
void dialled_watch(struct dialled *dialled, int fd);

#endif

/* What a dial hands over, and what a session is built from. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_LOGGED_IN_H
#define ADIT_SESSION_LIBSSH_LOGGED_IN_H

#include "session/login.h"

#include <libssh/libssh.h>

struct libssh_logged_in {
    struct logged_in base;
    ssh_session handle;
    bool buffered; /* libssh was seen to read and poll by transport.c */
    int watch_fd;  /* a descriptor of its socket for our own poll: libssh closes its own whenever it
                      likes */
};

static inline struct libssh_logged_in *libssh_logged_in_of(struct logged_in *logged_in)
{
    return container_of(logged_in, struct libssh_logged_in, base);
}

/* Takes the handle, and a descriptor of its socket for our own poll. `buffered` as above. */
struct logged_in *libssh_logged_in_new(ssh_session handle, int watch_fd, bool buffered,
                                       const struct connection_info *info);

/* login_engine's logged_in_free. */
void libssh_logged_in_free(struct logged_in *logged_in);

/* Frees a handle (NULL is fine) and with it its descriptor; with `polite` the server gets
 * SSH_MSG_DISCONNECT first. */
void handle_end(ssh_session handle, bool polite);

#endif

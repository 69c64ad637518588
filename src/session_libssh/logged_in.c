/* A session between two threads, and how any session's handle ends. */
#include "session_libssh/logged_in.h"

#include "base/mem.h"
#include "session_libssh/engine.h"

#include <stdlib.h>
#include <unistd.h>

struct logged_in *libssh_logged_in_new(ssh_session handle, int watch_fd, bool buffered,
                                       const struct connection_info *info)
{
    struct libssh_logged_in *l = mem_zalloc(sizeof(*l));

    l->base = (struct logged_in){.engine = &libssh_engine, .info = *info};
    l->handle = handle;
    l->watch_fd = watch_fd;
    l->buffered = buffered;
    return &l->base;
}

void handle_end(ssh_session handle, bool polite)
{
    if (handle != NULL && polite)
        ssh_disconnect(handle);
    ssh_free(handle);
}

void libssh_logged_in_free(struct logged_in *logged_in)
{
    struct libssh_logged_in *l = libssh_logged_in_of(logged_in);

    handle_end(l->handle, true);
    close(l->watch_fd);
    free(l);
}

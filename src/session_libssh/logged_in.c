/* A session between two threads, and how any session ends. */
#include "session_libssh/logged_in.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

struct dialled *dialled_new(ssh_session handle, int watch_fd, const struct connection_info *info)
{
    struct dialled *dialled = mem_zalloc(sizeof(*dialled));

    dialled->handle = handle;
    dialled->watch_fd = watch_fd;
    dialled->info = *info;
    return dialled;
}

const struct connection_info *dialled_info(const struct dialled *dialled)
{
    return &dialled->info;
}

void handle_end(ssh_session handle, bool polite)
{
    if (handle != NULL && polite)
        ssh_disconnect(handle);
    ssh_free(handle);
}

void dialled_free(struct dialled *dialled)
{
    if (dialled == NULL)
        return;
    handle_end(dialled->handle, true);
    close(dialled->watch_fd);
    free(dialled);
}

/* A session between two threads. */
#include "ssh/dialled.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

struct dialled *dialled_new(ssh_session handle)
{
    struct dialled *dialled = mem_zalloc(sizeof(*dialled));

    dialled->handle = handle;
    dialled->watch_fd = -1;
    return dialled;
}

void dialled_watch(struct dialled *dialled, int fd)
{
    dialled->watch_fd = fd;
}

void dialled_free(struct dialled *dialled)
{
    if (dialled == NULL)
        return;
    if (dialled->handle != NULL) {
        ssh_disconnect(dialled->handle);
        ssh_free(dialled->handle);
    }
    if (dialled->watch_fd >= 0)
        close(dialled->watch_fd);
    free(dialled);
}

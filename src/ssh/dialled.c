/* A session between two threads, and how any session ends. */
#include "ssh/dialled.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct dialled *dialled_new(ssh_session handle, int handle_fd, int watch_fd,
                            const struct connection_info *info)
{
    struct dialled *dialled = mem_zalloc(sizeof(*dialled));

    dialled->handle = handle;
    dialled->handle_fd = handle_fd;
    dialled->watch_fd = watch_fd;
    dialled->info = *info;
    return dialled;
}

const struct connection_info *dialled_info(const struct dialled *dialled)
{
    return &dialled->info;
}

static bool same_socket(int a, int b)
{
    struct stat of_a;
    struct stat of_b;

    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

void handle_end(ssh_session handle, bool polite, int handle_fd, int watch_fd)
{
    if (handle != NULL && polite)
        ssh_disconnect(handle);
    ssh_free(handle);
    /* libssh closes a descriptor that it was given when it fails (0.10) and in ssh_free, but not
     * after ssh_disconnect, and never says which it did. By now the number may be another thread's:
     * it is ours only if it still leads to our socket. */
    if (same_socket(handle_fd, watch_fd))
        close(handle_fd);
}

void dialled_free(struct dialled *dialled)
{
    if (dialled == NULL)
        return;
    handle_end(dialled->handle, true, dialled->handle_fd, dialled->watch_fd);
    close(dialled->watch_fd);
    free(dialled);
}

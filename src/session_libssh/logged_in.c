/* A session between two threads, and how any session ends. */
#include "session_libssh/logged_in.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

struct logged_in *logged_in_new(ssh_session handle, int watch_fd,
                                const struct connection_info *info)
{
    struct logged_in *logged_in = mem_zalloc(sizeof(*logged_in));

    logged_in->handle = handle;
    logged_in->watch_fd = watch_fd;
    logged_in->info = *info;
    return logged_in;
}

const struct connection_info *logged_in_info(const struct logged_in *logged_in)
{
    return &logged_in->info;
}

void handle_end(ssh_session handle, bool polite)
{
    if (handle != NULL && polite)
        ssh_disconnect(handle);
    ssh_free(handle);
}

void logged_in_free(struct logged_in *logged_in)
{
    if (logged_in == NULL)
        return;
    handle_end(logged_in->handle, true);
    close(logged_in->watch_fd);
    free(logged_in);
}

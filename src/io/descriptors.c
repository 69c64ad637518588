#include "io/descriptors.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define RESERVED_MAX 64

bool descriptor_is_reserved(int fd)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    rlim_t reserved;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (fd < 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    reserved = limit.rlim_cur / 4 < RESERVED_MAX ? limit.rlim_cur / 4 : RESERVED_MAX;
    return (rlim_t)fd >= limit.rlim_cur - reserved;
}

int descriptor_unless_reserved(int fd)
{
    if (!descriptor_is_reserved(fd))
        return fd;
    close(fd);
    errno = EMFILE;
    return -1;
}

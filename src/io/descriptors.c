#include "io/descriptors.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define GATEWAY_MAX 64

bool descriptor_is_reserved(int fd, enum descriptor_use use)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    rlim_t quarter, left;

    if (fd < 0 || use == DESCRIPTOR_GATEWAY)
        return false;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        return false;
    quarter = limit.rlim_cur / 4;
    left = quarter < GATEWAY_MAX ? quarter : GATEWAY_MAX;
    if (use == DESCRIPTOR_REMOTE_FORWARD)
        left += quarter;
    return (rlim_t)fd >= limit.rlim_cur - left;
}

int descriptor_unless_reserved(int fd, enum descriptor_use use)
{
    if (!descriptor_is_reserved(fd, use))
        return fd;
    close(fd);
    errno = EMFILE;
    return -1;
}

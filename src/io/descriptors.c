/* The tiers of descriptors, from the soft limit as it is at that moment. */
#include "io/descriptors.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#define GATEWAY_MAX 64

int descriptor_bound(enum descriptor_use use)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    rlim_t quarter, left;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (use == DESCRIPTOR_GATEWAY || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    quarter = limit.rlim_cur / 4;
    left = quarter < GATEWAY_MAX ? quarter : GATEWAY_MAX;
    if (use == DESCRIPTOR_REMOTE_FORWARD)
        left += quarter;
    return (int)(limit.rlim_cur - left);
}

bool descriptor_is_reserved(int fd, enum descriptor_use use)
{
    return fd >= descriptor_bound(use);
}

int descriptor_unless_reserved(int fd, enum descriptor_use use)
{
    if (!descriptor_is_reserved(fd, use))
        return fd;
    close(fd);
    errno = EMFILE;
    return -1;
}

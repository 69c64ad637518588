/* connect(2) to unix sockets. */
#include "io/unix_connect.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

bool unix_address(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address->sun_path, path);
    return true;
}

/* Connects a new socket of `flags`, whose connect(2) waits for `timeout` (socket(7), SO_SNDTIMEO);
 * all zeroes: without limit. */
static int connect_socket(const char *path, enum descriptor_use use, int flags,
                          const struct timeval *timeout)
{
    struct sockaddr_un address;
    int error;
    int fd;

    if (!unix_address(path, &address))
        return -1;
    fd = descriptor_unless_reserved(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), use);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, timeout, sizeof(*timeout));
    do
        error = connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ? errno : 0;
    while (error == EINTR);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){0}, sizeof(struct timeval));
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

int unix_connect(const char *path, enum descriptor_use use)
{
    return connect_socket(path, use, SOCK_NONBLOCK, &(struct timeval){0});
}

int unix_connect_wait(const char *path, enum descriptor_use use, int milliseconds)
{
    struct timeval timeout = {.tv_sec = milliseconds / 1000,
                              .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000};
    int fd = connect_socket(path, use, 0, &timeout);

    if (fd < 0 && errno == EAGAIN)
        errno = ETIMEDOUT;
    return fd;
}

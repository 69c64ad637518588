/* recv(2) and poll(2) as libssh sees them. */
#include "ssh/readahead.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define READAHEAD_SIZE (128 * 1024)

struct readahead {
    int fd;
    bool ended; /* or failed: reads are the kernel's */
    size_t begin, end;
    uint8_t bytes[READAHEAD_SIZE];
};

/* Of this thread: the one in use, and the one that it keeps. */
static _Thread_local struct readahead *current;
static pthread_key_t kept;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static ssize_t kernel_recv(int fd, void *buffer, size_t size, int flags)
{
    return syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
}

static int kernel_poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    struct timespec limit = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};

    return (int)syscall(SYS_ppoll, fds, count, milliseconds < 0 ? NULL : &limit, NULL, _NSIG / 8);
}

static void make_key(void)
{
    if (pthread_key_create(&kept, free) != 0)
        abort();
}

void readahead_begin(int fd)
{
    struct readahead *r;

    pthread_once(&once, make_key);
    r = pthread_getspecific(kept);
    if (r == NULL) {
        r = malloc(sizeof(*r));
        if (r == NULL || pthread_setspecific(kept, r) != 0)
            abort();
    }
    r->fd = fd;
    r->ended = false;
    r->begin = r->end = 0;
    current = r;
}

void readahead_end(void)
{
    current = NULL;
}

bool readahead_fill(void)
{
    struct readahead *r = current;
    ssize_t got = kernel_recv(r->fd, r->bytes, sizeof(r->bytes), MSG_DONTWAIT);

    r->begin = 0;
    r->end = got > 0 ? (size_t)got : 0;
    r->ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    return got > 0 || r->ended;
}

bool readahead_filled(void)
{
    return current->end == sizeof(current->bytes);
}

bool readahead_pending(void)
{
    return current->begin < current->end;
}

/* Whether it is libssh that reads, from the session that is driven. */
static bool serves(const struct readahead *r, int fd)
{
    return r != NULL && fd == r->fd && !r->ended;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    struct readahead *r = current;

    if (!serves(r, fd) || flags != 0)
        return kernel_recv(fd, buffer, size, flags);
    if (size > r->end - r->begin)
        size = r->end - r->begin;
    if (size == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(buffer, r->bytes + r->begin, size);
    r->begin += size;
    return (ssize_t)size;
}

/* Whether `fd` takes output only the kernel knows; whether there is input, the buffer. */
static int poll_buffer(const struct readahead *r, struct pollfd *fd)
{
    short asked = fd->events;
    int ready = 0;

    fd->revents = 0;
    if ((asked & POLLOUT) != 0) {
        fd->events = POLLOUT;
        ready = kernel_poll(fd, 1, 0);
        fd->events = asked;
    }
    if (ready >= 0 && r->begin < r->end) {
        fd->revents |= POLLIN;
        ready = 1;
    }
    return ready;
}

/* (glibc declares that poll writes to `fds` only, which is not so.) */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

int poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    if (count == 1 && (fds->events & POLLIN) != 0 && serves(current, fds->fd))
        return poll_buffer(current, fds);
    return kernel_poll(fds, count, milliseconds);
}

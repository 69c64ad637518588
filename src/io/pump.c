/* Blocking copies from one descriptor to another, each on a thread of its own. */
#include "io/pump.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUMP_BUFFER ((size_t)64 * 1024)

struct pump {
    int from;
    int to;
    int done; /* where the result is written to; -1: nowhere */
    struct pump_options options;
    uint8_t buffer[PUMP_BUFFER];
};

/* Whether a read or write that failed is worth another try. Standard input or output may be
 * non-blocking, as other programs share it: then this waits first. */
static bool pump_may_retry(int fd, short events)
{
    if (errno == EAGAIN)
        poll(&(struct pollfd){.fd = fd, .events = events}, 1, -1);
    return errno == EAGAIN || errno == EINTR;
}

/* Returns 0 or an errno. */
static int write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n >= 0) {
            bytes += n;
            length -= (size_t)n;
        } else if (!pump_may_retry(fd, POLLOUT)) {
            return errno;
        }
    }
    return 0;
}

/* Waits for bytes or the end of them, where `to` is looked at meanwhile. False: that one has hung
 * up. (A poll of a file says at once that it can be read.) */
static bool wait_for_bytes(const struct pump *p)
{
    struct pollfd both[2] = {{.fd = p->from, .events = POLLIN}, {.fd = p->to}};

    if (!p->options.ends_with_to)
        return true;
    while (poll(both, 2, -1) < 0 && errno == EINTR)
        continue;
    return (both[1].revents & (POLLHUP | POLLERR)) == 0;
}

static ssize_t filter_bytes(struct pump *p, ssize_t length)
{
    if (p->options.filter == NULL || length <= 0)
        return length;
    return p->options.filter(p->options.arg, p->buffer, (size_t)length);
}

/* Returns the errno that the copy ended with; 0: the end of data. */
static int pump_copy(struct pump *p)
{
    int error = 0;

    while (error == 0 && wait_for_bytes(p)) {
        ssize_t n = read(p->from, p->buffer, sizeof(p->buffer) - PUMP_FILTER_ROOM);
        ssize_t left = filter_bytes(p, n);
        if (n == 0)
            break;
        if (n > 0)
            error = left < 0 ? ECANCELED : write_all(p->to, p->buffer, (size_t)left);
        else if (!pump_may_retry(p->from, POLLIN))
            error = errno;
    }
    return error;
}

static void pump_free(struct pump *p)
{
    close(p->from);
    close(p->to);
    if (p->done >= 0)
        close(p->done);
    if (p->options.free_arg != NULL)
        p->options.free_arg(p->options.arg);
    free(p);
}

static void *pump_main(void *arg)
{
    struct pump *p = arg;
    int error = pump_copy(p);

    if (error != ECANCELED && !p->options.only_closes_to)
        shutdown(p->to, SHUT_WR);
    /* (A pipe takes as few bytes at once or not at all: pipe(7). Its reader may have closed it.) */
    if (p->done >= 0 && write(p->done, &error, sizeof(error)) < 0)
        error = 0;
    pump_free(p);
    return NULL;
}

bool pump_start(int from, int to, int *done)
{
    return pump_start_with(from, to, done, &(struct pump_options){0});
}

bool pump_start_with(int from, int to, int *done, const struct pump_options *options)
{
    struct pump *p = mem_zalloc(sizeof(*p));
    int ends[2] = {-1, -1};
    pthread_t thread;
    int error = 0;

    *p = (struct pump){.from = from, .to = to, .done = -1, .options = *options};
    if (done != NULL && pipe2(ends, O_CLOEXEC) != 0)
        error = errno;
    p->done = ends[1];
    if (error == 0)
        error = pthread_create(&thread, NULL, pump_main, p);
    if (error != 0) {
        pump_free(p);
        if (ends[0] >= 0)
            close(ends[0]);
        errno = error;
        return false;
    }
    pthread_detach(thread);
    if (done != NULL)
        *done = ends[0];
    return true;
}

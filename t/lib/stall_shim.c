/* Preloaded into adit: while the file $ADIT_TEST_STALL is there, the first thread that waits for
 * events in another thread than the main one stands still in there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_int chosen;

static void stall(void)
{
    const char *path = getenv("ADIT_TEST_STALL");
    int nobody = 0;

    if (path == NULL || gettid() == getpid() || access(path, F_OK) != 0)
        return;
    if (!atomic_compare_exchange_strong(&chosen, &nobody, gettid()))
        return;
    while (access(path, F_OK) == 0)
        usleep(10000);
    atomic_store(&chosen, 0);
}

int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    int (*real)(int, struct epoll_event *, int, int, const sigset_t *);
    int found;

    real = (__typeof__(real))dlsym(RTLD_NEXT, "epoll_pwait");
    found = real(fd, events, count, timeout, mask);
    stall();
    return found;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    int (*real)(int, struct epoll_event *, int, int);
    int found;

    real = (__typeof__(real))dlsym(RTLD_NEXT, "epoll_wait");
    found = real(fd, events, count, timeout);
    stall();
    return found;
}

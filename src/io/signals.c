/* Signals, taken one a turn of the loop. */
#include "io/signals.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
    uv_poll_t poll;
    int fd;
    signal_caught_fn *caught;
    void *arg;
};

static sigset_t set_of(const int *numbers, size_t count)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, numbers[i]);
    return set;
}

void signals_hold(const int *numbers, size_t count)
{
    sigset_t set = set_of(numbers, count);

    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void on_signalfd_readable(uv_poll_t *poll, int status, int events)
{
    struct signals *signals = container_of(poll, struct signals, poll);
    struct signalfd_siginfo info;

    (void)status;
    (void)events;
    if (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        signals->caught(signals->arg, (int)info.ssi_signo);
}

struct signals *signals_new(struct loop *loop, const int *numbers, size_t count,
                            signal_caught_fn *caught, void *arg)
{
    struct signals *signals = mem_zalloc(sizeof(*signals));
    sigset_t set = set_of(numbers, count);

    signals->caught = caught;
    signals->arg = arg;
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0 || uv_poll_init(loop_uv(loop), &signals->poll, signals->fd) != 0) {
        log_error("signalfd: %s", strerror(errno));
        if (signals->fd >= 0)
            close(signals->fd);
        free(signals);
        return NULL;
    }
    uv_poll_start(&signals->poll, UV_READABLE, on_signalfd_readable);
    return signals;
}

static void on_signals_closed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct signals, poll));
}

void signals_free(struct signals *signals)
{
    if (signals == NULL)
        return;
    uv_poll_stop(&signals->poll);
    close(signals->fd);
    uv_close((uv_handle_t *)&signals->poll, on_signals_closed);
}

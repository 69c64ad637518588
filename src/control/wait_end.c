/* ppoll(2) and the signals that ask for an end. */
#include "control/wait_end.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t end_signal;

static void on_end_signal(int number)
{
    end_signal = number;
}

bool wait_for_end(int fd)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = on_end_signal};
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    sigset_t held, before;

    /* The signals are blocked except while ppoll(2) waits, so that none is missed. */
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaddset(&held, numbers[i]);
        sigaction(numbers[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &held, &before);
    while (end_signal == 0 && ppoll(&readable, 1, NULL, &before) < 0 && errno == EINTR)
        continue;
    return end_signal != 0;
}

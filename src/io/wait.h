/* Waiting for one descriptor in a thread that runs no loop: a dial thread, the thread that serves
 * an agent, a process with one thread. A worker and the main thread never wait here. */
#ifndef ADIT_IO_WAIT_H
#define ADIT_IO_WAIT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

/* What ends a blocking operation before it is done. */
struct wait_limit {
    int connection; /* the operation ends when either side shuts this socket down; -1: none */
    uint64_t until; /* clock_now's time; UINT64_MAX: no limit */
};

/* A limit of `milliseconds` from now; -1: no limit of time. */
struct wait_limit wait_limit(int connection, int milliseconds);

/* Waits until `fd` (-1: nothing) has one of the `events` of poll(2), or an error. Returns 0 then,
 * ETIMEDOUT when the time is over, ECONNABORTED when the connection was shut down, which goes
 * before the other two, or the error of poll(2). What the connection's peer sends meanwhile stays
 * unread and ends no wait. */
int wait_for(int fd, short events, const struct wait_limit *limit);

/* The same for several descriptors, at most WAIT_ANY_MAX; their `revents` are set. */
#define WAIT_ANY_MAX 2
int wait_for_any(struct pollfd *polled, size_t count, const struct wait_limit *limit);

#endif

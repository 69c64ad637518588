/* A descriptor that its loop watches at the price of one system call when it begins and one when it
 * ends. libuv's poll needs some for each change of what is waited for; this one is edge-triggered
 * (epoll(7)): everything is reported when it changes, whether anybody waits for it or not, and its
 * owner keeps in mind what he has not acted upon yet. */
#ifndef ADIT_IO_WATCH_H
#define ADIT_IO_WATCH_H

#include "io/loop.h"

/* Embed it, zeroed. */
struct watch {
    int fd; /* -1: ended */
    void (*ready)(struct watch *watch, uint32_t events);
    void (*ended)(struct watch *watch);
    SLIST_ENTRY(watch) next; /* of those that have ended */
};

/* `ready` is called for EPOLLIN, EPOLLPRI, EPOLLRDHUP, EPOLLHUP and EPOLLERR: once for what is
 * there already, and then each time more of it comes. It must read until nothing is left, or
 * remember that something is. It may end this watch and others. 0, or an errno: the kernel would
 * not watch. */
int watch_start(struct loop *loop, struct watch *watch, int fd,
                void (*ready)(struct watch *watch, uint32_t events));

/* From now on for EPOLLOUT, too: once if there is room now, and then whenever there is room again
 * after a write that found too little. */
void watch_output(struct loop *loop, struct watch *watch);

/* To be called before the descriptor is closed or given away. `ended` is called at the end of the
 * turn, when no event is on the stack or on its way any more: it may free what the watch is
 * embedded in. */
void watch_end(struct loop *loop, struct watch *watch, void (*ended)(struct watch *watch));

#endif

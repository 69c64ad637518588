/* A descriptor that a loop watches, at the price of one system call at the start and one at the
 * end. (libuv's uv_poll needs one for each change of what is waited for.) A watch is edge-triggered
 * (epoll(7)): each change is reported once, whether its owner waits for it or not, and the owner
 * remembers what it has not acted upon yet. On the thread of the loop. */
#ifndef ADIT_IO_WATCH_H
#define ADIT_IO_WATCH_H

#include "io/loop.h"

struct watch;
typedef void watch_ready_fn(struct watch *watch, uint32_t events);
typedef void watch_ended_fn(struct watch *watch);

/* Embedded in the owner's struct, zeroed. */
struct watch {
    int fd; /* -1: ended */
    watch_ready_fn *ready;
    watch_ended_fn *ended;
    SLIST_ENTRY(watch) next; /* on the list of watches that have ended */
};

/* `ready` is called for EPOLLIN, EPOLLPRI, EPOLLRDHUP, EPOLLHUP and EPOLLERR: once for what is
 * there already, and then each time more comes. The callee reads until nothing is left, or
 * remembers that something is. It may end this watch and others. Returns 0, or an errno if the
 * kernel would not watch. */
int watch_start(struct loop *loop, struct watch *watch, int fd, watch_ready_fn *ready);

/* From now on `ready` is called for EPOLLOUT too: once if there is room now, and then whenever
 * there is room again after a write that found too little. */
void watch_output(struct loop *loop, struct watch *watch);

/* Ends the watch; to be called before the descriptor is closed or given away. `ended` is called at
 * the end of the turn, when no event is on the stack or on its way any more: it may free the struct
 * that the watch is embedded in. */
void watch_end(struct loop *loop, struct watch *watch, watch_ended_fn *ended);

#endif

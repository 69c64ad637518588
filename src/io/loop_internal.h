/* What the files of this room keep in the loop itself, so that there are no globals. */
#ifndef ADIT_IO_LOOP_INTERNAL_H
#define ADIT_IO_LOOP_INTERNAL_H

#include "io/loop.h"

/* A turn's bytes for one endpoint, until they are written at once (relay.c). */
struct flow;
struct gathered {
    struct flow *flow; /* whose; NULL: there are none */
    struct flow *last; /* whose bytes came last */
    size_t length;
    struct later spilling;
    uint8_t bytes[LOOP_SCRATCH_SIZE];
};

struct gathered *loop_gathered(struct loop *loop);

/* Sockets whose owners closed them and that wait for the peer's end of data (socket.c). */
struct socket;
LIST_HEAD(socket_list, socket);

struct socket_list *loop_lingering(struct loop *loop);

/* The descriptors that are watched (watch.c). */
struct watches;

struct watches *loop_watches(struct loop *loop);

/* NULL: no descriptors (errno). */
struct watches *watches_new(uv_loop_t *uv);

/* Once a turn, when no callback is on the stack: what has ended is let go. */
void watches_sweep(struct watches *watches);

/* When all have ended; the memory is freed when libuv has let go of it. */
void watches_free(struct watches *watches);

#endif

/* What the files of io/ keep in the loop itself, so that there are no globals. */
#ifndef ADIT_IO_LOOP_INTERNAL_H
#define ADIT_IO_LOOP_INTERNAL_H

#include "io/loop.h"

struct socket;

/* The bytes of a turn that are for one socket, until they are sent by one call (socket.c). */
struct gathered {
    struct socket *socket; /* NULL: nothing is gathered */
    struct socket *last;   /* the socket that a packet was written to last */
    size_t length;
    struct later spilling;
    uint8_t bytes[LOOP_SCRATCH_SIZE];
};

struct gathered *loop_gathered(struct loop *loop);

/* Sockets that their owners have closed and that wait for the peer's end of data (socket.c). */
LIST_HEAD(socket_list, socket);

struct socket_list *loop_lingering(struct loop *loop);

/* The descriptors that are watched (watch.c). */
struct watches;

struct watches *loop_watches(struct loop *loop);

/* NULL: there are no descriptors (errno). */
struct watches *watches_new(uv_loop_t *uv);

/* Called once a turn, when no callback is on the stack: lets go of the watches that have ended. */
void watches_sweep(struct watches *watches);

/* Called when all watches have ended. The memory is freed when libuv has let go of it. */
void watches_free(struct watches *watches);

#endif

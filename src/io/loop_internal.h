/* What the files of this room keep in the loop itself, so that there are no globals. */
#ifndef ADIT_IO_LOOP_INTERNAL_H
#define ADIT_IO_LOOP_INTERNAL_H

#include "io/loop.h"

/* Sockets whose owners closed them and that wait for the peer's end of data (socket.c). */
struct socket;
LIST_HEAD(socket_list, socket);

struct socket_list *loop_lingering(struct loop *loop);

#endif

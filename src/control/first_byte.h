/* Waits for the first byte that comes to a socket, and leaves it there: it tells which protocol a
 * client of the control socket speaks, before anything is read. (What is read must be read with the
 * descriptors that are passed along.) Main thread only. */
#ifndef ADIT_CONTROL_FIRST_BYTE_H
#define ADIT_CONTROL_FIRST_BYTE_H

#include "io/loop.h"

struct first_byte;

/* The byte, 0 to 255; or -1: the client has gone without one. */
typedef void first_byte_fn(void *arg, int byte);

/* Begins to wait at `fd`, which stays the caller's and open until the end of the wait. `came` is
 * called once, never from inside this call. NULL: the kernel does not watch it. */
struct first_byte *first_byte_wait(struct loop *loop, int fd, first_byte_fn *came, void *arg);

/* `came` will not be called. NULL is fine. */
void first_byte_cancel(struct first_byte *first_byte);

#endif

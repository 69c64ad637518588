/* Masters (OpenSSH's ControlMaster) that are asked to cancel a remote forward. Main thread only. */
#ifndef ADIT_KEEPER_FORWARD_CANCELS_H
#define ADIT_KEEPER_FORWARD_CANCELS_H

#include "io/loop.h"
#include "keeper/forward_records.h"

struct forward_cancels;

struct forward_cancels *forward_cancels_new(struct loop *loop);

/* Asks the master to cancel the forward to a unix socket's path, without waiting. */
void forward_cancels_ask(struct forward_cancels *cancels, const struct forward_record *record,
                         const char *path);

/* After the loop: waits at most so many milliseconds for the masters' answers. NULL is fine. */
void forward_cancels_free(struct forward_cancels *cancels, int milliseconds);

#endif

/* The side that asks: blocking, in a process that has no other threads. */
#ifndef ADIT_CONTROL_CLIENT_H
#define ADIT_CONTROL_CLIENT_H

#include "conf/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What is asked for, and of whom. */
struct control_order {
    const char *command;                   /* "check", ...: as given */
    const char *path;                      /* of the socket; NULL: nobody said */
    const struct option_forward *forwards; /* for "forward" and "cancel" */
    size_t forward_count;
    bool json; /* print the answer as it came */
};

/* `adit -O COMMAND`: asks, prints what ssh would print, and returns the exit status. */
int control_ask(const struct control_order *order);

/* Lets the adit that listens at `order->path` do the forwards. Returns -1, with nothing done, when
 * there is none; else the exit status. With `background` that is at once; else it is when that adit
 * has ended, or a signal asked this process to end, and the forwards are cancelled. */
int control_share(const struct control_order *order, bool background);

/* Who listens at `path`. */
enum control_peer {
    CONTROL_NOBODY,
    CONTROL_ADIT,    /* and `*pid` is its process */
    CONTROL_FOREIGN, /* something that does not answer as adit does within two seconds */
};
enum control_peer control_probe(const char *path, pid_t *pid);

#endif

/* An outgoing TCP connection, without blocking: addresses are tried one after another. For threads
 * with a loop: the main thread (dials) and workers (remote forwards). */
#ifndef ADIT_IO_CONNECT_H
#define ADIT_IO_CONNECT_H

#include "base/ip.h"
#include "io/descriptors.h"
#include "io/loop.h"

struct connect;

/* Where to connect to, and how. */
struct connect_options {
    const struct ip *addresses; /* tried in order; copied */
    size_t count;
    uint16_t port;
    const struct ip *from; /* the local address; NULL: any */
    unsigned zone;         /* of link-local addresses, as connect_zone has it; 0: none */
    uint64_t timeout_ms;   /* in all, shared fairly among the addresses that are left */
    /* Where only descriptors are left that this use leaves to others, an attempt fails with EMFILE.
     */
    enum descriptor_use use;
};

/* Takes what became of a connect: a connected non-blocking descriptor, which is the callee's, and
 * the address reached; or -1, NULL and the error of the last attempt ("10.0.0.1 port 22: Connection
 * refused"). */
typedef void connect_done_fn(void *arg, int fd, const struct ip *address, const char *error);

/* Tries the addresses in order. `done` is called once, never from inside this call: with a
 * connected non-blocking descriptor, which is the callee's, and the address reached, or with -1 and
 * the error of the last attempt ("10.0.0.1 port 22: Connection refused"). */
struct connect *connect_start(struct loop *loop, const struct connect_options *options,
                              connect_done_fn *done, void *arg);

/* The number of the interface of that name, or that number as digits; 0: there is none. */
unsigned connect_zone(const char *name);

/* Gives up; `done` will not be called. NULL is fine. */
void connect_cancel(struct connect *connect);

#endif

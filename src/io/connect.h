/* An outgoing TCP connection, without blocking: addresses are tried one after another. For threads
 * with a loop: the main thread (dials) and workers (remote forwards). */
#ifndef ADIT_IO_CONNECT_H
#define ADIT_IO_CONNECT_H

#include "base/ip.h"
#include "io/descriptors.h"
#include "io/loop.h"

/* Between two rounds of the addresses, as in ssh. */
#define CONNECT_PAUSE_MS 1000

struct connect;

/* Where to connect to, and how. */
struct connect_options {
    const struct ip *addresses; /* tried in order; copied */
    size_t count;
    uint16_t port;
    const struct ip *from; /* the local address; NULL: any */
    /* The network interface whose address is the local one where `from` is NULL; NULL: any. */
    const char *interface;
    bool no_keepalive;     /* TCP does not look whether the other machine is gone */
    unsigned char service; /* IPv4's type of service, IPv6's traffic class (RFC 2474); 0: usual */
    unsigned zone;         /* of link-local addresses, as connect_zone has it; 0: none */
    uint64_t timeout_ms;   /* in all, shared fairly among the addresses that are left */
    unsigned again;        /* how often they are tried anew, a second after all have failed */
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

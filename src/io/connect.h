/* An outgoing TCP connection, without blocking: addresses are tried one after another. */
#ifndef ADIT_IO_CONNECT_H
#define ADIT_IO_CONNECT_H

#include "base/ip.h"
#include "io/loop.h"

struct connect;

/* Tries `addresses` in order, each at most `timeout_ms` in all shared fairly among those left, from
 * the local address `from` (NULL: any).
 * `done` is called once, never from inside this call: with a connected non-blocking descriptor,
 * which is the callee's, and the address reached, or with -1 and what the last attempt said
 * ("10.0.0.1 port 22: Connection refused"). */
struct connect *connect_start(struct loop *loop, const struct ip *addresses, size_t count,
                              uint16_t port, const struct ip *from, uint64_t timeout_ms,
                              void (*done)(void *arg, int fd, const struct ip *address,
                                           const char *error),
                              void *arg);

/* Connects to a unix socket, which takes no time: a non-blocking descriptor, or -1 and errno. */
int connect_unix(const char *path);

/* Gives up; `done` will not be called. NULL is fine. */
void connect_cancel(struct connect *connect);

#endif

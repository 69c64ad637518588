/* A listening socket: connections are accepted in bursts, and not at all while there are no
 * descriptors. */
#ifndef ADIT_IO_LISTENER_H
#define ADIT_IO_LISTENER_H

#include "base/ip.h"
#include "io/loop.h"

/* Where to listen: a path, or an address and a port. */
struct listener_address {
    bool is_unix;
    const char *path; /* if is_unix */
    unsigned mode;    /* its permissions; 0: 0600, its owner only */
    bool last;        /* its connections are few, and may have the last descriptors */
    bool unlink;      /* what is there is removed, whatever it is and whoever listens on it */
    struct ip ip;
    uint16_t port; /* 0: the kernel picks one */
};

struct listener;

/* Listens and begins to accept. `address` is copied. NULL: `error` says why, with the address
 * ("127.0.0.1:1080: Address already in use"), and errno is the reason.
 *
 * A TCP socket has SO_REUSEADDR, and an IPv6 one takes IPv6 only, so that 0.0.0.0 and [::] can both
 * be listened on. A unix socket has the permissions of `mode`, whatever the umask; a socket of that
 * path that nobody listens on any more is replaced, anything else there is an error unless `unlink`
 * (as ssh's StreamLocalBindUnlink).
 *
 * `accepted` gets each connection: a non-blocking, prepared (socket_prepare) descriptor, which is
 * the callee's, and who it came from (`peer` is NULL for unix sockets; valid during the call). It
 * may free the listener. */
struct listener *listener_new(struct loop *loop, const struct listener_address *address,
                              void (*accepted)(void *arg, int fd, const struct ip *peer,
                                               uint16_t peer_port),
                              void *arg, char *error, size_t error_size);

/* Stops and closes; connections not yet accepted are reset. A unix socket's path is removed if it
 * still is this listener's. NULL is fine. */
void listener_free(struct listener *listener);

/* The process is out of descriptors (but for the last few, which connections leave to sessions) or
 * memory at times: then accepting stops, with one warning, and is tried again after so long. */
#define LISTENER_STARVED_MS 100

/* The port that is really listened on; 0 for a unix socket. */
uint16_t listener_port(const struct listener *listener);

/* "127.0.0.1:1080", "[::1]:1080" or "unix:/run/adit/socks.sock", with the real port. */
const char *listener_name(const struct listener *listener);

#endif

/* A listening socket: an address that is bound. Its connections are accepted by an io/acceptor. */
#ifndef ADIT_IO_LISTENER_H
#define ADIT_IO_LISTENER_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where to listen: a path, or an address and a port. */
struct listener_address {
    bool is_unix;
    bool is_passed;   /* a socket of io/passed_sockets: the one of that name ... */
    unsigned index;   /* ... of this index */
    const char *path; /* if is_unix; if is_passed: the name */
    unsigned mode;    /* its permissions; 0: 0600, its owner only */
    bool unlink;      /* a file that is there is removed, whatever it is */
    struct ip ip;
    uint16_t port; /* 0: the kernel picks one */
};

struct listener;

/* Listens: from now on connections come in and wait to be accepted. The owner ends the listener by
 * listener_close. NULL: `error` says why, with the address ("127.0.0.1:1080: Address already in
 * use"), and errno is the reason.
 *
 * A TCP socket has SO_REUSEADDR, and an IPv6 one takes IPv6 only, so that 0.0.0.0 and [::] can both
 * be listened on. A unix socket has the permissions of `mode`, whatever the umask; a socket of that
 * path that no process listens on any more is replaced; any other file there is an error unless
 * `unlink` (as ssh's StreamLocalBindUnlink). A socket that was passed listens already. Connections
 * that are accepted inherit the options of socket_prepare. */
struct listener *listener_new(const struct listener_address *address, char *error,
                              size_t error_size);

/* Ends the listener, on whatever thread connections are accepted: when this returns, the kernel
 * refuses new connections, a unix socket's path is removed if it still is this listener's, and the
 * address can be listened on again. (On Linux shutdown(2) does that to a listening socket.)
 * Connections not yet accepted are reset: those to a unix socket when the last reference goes, if
 * they are not accepted until then. A socket that was passed goes on to listen: its connections
 * wait for the next listener, of this process or of the next one. NULL is fine. */
void listener_close(struct listener *listener);

/* For an acceptor, on any thread: the descriptor lasts as long as a reference. */
struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener *listener);

/* The descriptor, which the listener owns. */
int listener_fd(const struct listener *listener);

/* Whether the listener was closed. When accept(2) finds no connection, this tells whether any can
 * come: for a closed TCP socket accept fails with EINVAL, for a unix socket with EAGAIN, and polls
 * report both as readable. */
bool listener_is_closed(const struct listener *listener);

/* Whether the listener was closed, and its socket goes on to listen: those who wait are not its own
 * any more. */
bool listener_leaves_queue(const struct listener *listener);

/* The port that the kernel has bound; 0 for a unix socket. */
uint16_t listener_port(const struct listener *listener);

/* "127.0.0.1:1080", "[::1]:1080" or "unix:/run/adit/socks.sock", with the port of listener_port. */
const char *listener_name(const struct listener *listener);

#endif

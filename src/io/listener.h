/* A listening socket: an address that is bound. Who accepts what comes in is io/acceptor's. */
#ifndef ADIT_IO_LISTENER_H
#define ADIT_IO_LISTENER_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where to listen: a path, or an address and a port. */
struct listener_address {
    bool is_unix;
    const char *path; /* if is_unix */
    unsigned mode;    /* its permissions; 0: 0600, its owner only */
    bool unlink;      /* what is there is removed, whatever it is and whoever listens on it */
    struct ip ip;
    uint16_t port; /* 0: the kernel picks one */
};

struct listener;

/* Listens: from now on connections come in and wait to be accepted. It is its owner's, who ends it
 * by listener_close. NULL: `error` says why, with the address ("127.0.0.1:1080: Address already in
 * use"), and errno is the reason.
 *
 * A TCP socket has SO_REUSEADDR, and an IPv6 one takes IPv6 only, so that 0.0.0.0 and [::] can both
 * be listened on. A unix socket has the permissions of `mode`, whatever the umask; a socket of that
 * path that nobody listens on any more is replaced, anything else there is an error unless `unlink`
 * (as ssh's StreamLocalBindUnlink). What is accepted inherits socket_prepare. */
struct listener *listener_new(const struct listener_address *address, char *error,
                              size_t error_size);

/* Ends it, on whatever thread it is accepted from: when this returns, the kernel refuses who comes,
 * a unix socket's path is removed if it still is this listener's, and the address can be listened
 * on anew. (shutdown(2) does that on Linux to a socket that listens.) Connections not yet accepted
 * are reset; those to a unix socket when the last reference goes, if nobody accepts them until
 * then. NULL is fine. */
void listener_close(struct listener *listener);

/* For whoever accepts: the descriptor lasts as long as a reference, on any thread. */
struct listener *listener_ref(struct listener *listener);
void listener_unref(struct listener *listener);

/* The descriptor, which stays the listener's. */
int listener_fd(const struct listener *listener);

/* Whether it was closed. When accept(2) says that there is nobody, this tells whether anybody can
 * come: of a closed TCP socket it says EINVAL, of a unix one EAGAIN, and polls report both. */
bool listener_is_closed(const struct listener *listener);

/* The port that is really listened on; 0 for a unix socket. */
uint16_t listener_port(const struct listener *listener);

/* "127.0.0.1:1080", "[::1]:1080" or "unix:/run/adit/socks.sock", with the real port. */
const char *listener_name(const struct listener *listener);

#endif

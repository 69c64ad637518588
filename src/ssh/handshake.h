/* The steps of a dial, on the dial thread. Only for this room. */
#ifndef ADIT_SSH_HANDSHAKE_H
#define ADIT_SSH_HANDSHAKE_H

#include "conf/config.h"
#include "ssh/dial.h"

#include <libssh/libssh.h>
#include <stdarg.h>
#include <stdio.h>

/* What one dial is about; the steps add to `error`. */
struct handshake {
    ssh_session handle;
    const struct config_upstream *upstream;
    const char *host;
    uint16_t port;
    char error[1024];
};

/* All of it, on `fd`, which is closed by handle_end. On failure h->error says why; h->handle (which
 * may be NULL) is the caller's to end. */
enum dial_status handshake(struct handshake *h, int fd);

/* Sets what a step failed of. Returns `status`, so that a step can end with it. */
__attribute__((format(printf, 3, 4))) static inline enum dial_status handshake_fail(
    struct handshake *h, enum dial_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(h->error, sizeof(h->error), format, arguments);
    va_end(arguments);
    return status;
}

/* Host key against pins or known_hosts, as ssh_config(5) StrictHostKeyChecking yes or accept-new.
 */
enum dial_status host_key_verify(struct handshake *h);

/* RFC 4252: none, publickey (identities, agent), keyboard-interactive, password, until one succeeds
 * or none is left; also where the server asks for several in a row. */
enum dial_status authenticate(struct handshake *h);

#endif

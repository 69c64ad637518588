/* The steps of a dial, on the dial thread. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_HANDSHAKE_H
#define ADIT_SESSION_LIBSSH_HANDSHAKE_H

#include "base/ip.h"
#include "conf/config.h"
#include "session/login.h"
#include "session_libssh/host_proof.h"
#include "session_libssh/login_requests.h"

#include <libssh/libssh.h>
#include <stdarg.h>
#include <stdio.h>

/* How libssh begins to say that both sides have no common algorithm. */
#define UNMATCHED "no match for method "

/* One dial; the steps set `error`. */
struct handshake {
    ssh_session handle;
    const struct config_upstream *upstream;
    const char *host;
    uint16_t port;
    const char *alias;              /* the name that ssh_config(5) has for the server */
    struct login_requests requests; /* to the keeper */
    struct connection_info info;
    struct host_proof proof;
    char *banner;            /* the one shown last, libssh's; NULL: none */
    unsigned banner_lines;   /* of banners that were shown */
    char disconnection[512]; /* "CODE:WORDS" of SSH_MSG_DISCONNECT; empty: none came */
    char unmatched[2048];    /* libssh's words for algorithms that are not common; empty: none */
    unsigned long checks;    /* integrity_checks() before it connected */
    char error[3072];        /* (two lists of algorithms, or the keys that were tried) */
};

/* Runs the whole handshake on `fd`, which is taken. On failure h->error says why; h->handle (which
 * may be NULL) is the caller's to free. */
enum dial_status handshake(struct handshake *h, int fd);

/* A line of libssh's log meanwhile, at the level of packets: libssh tells nowhere else that it
 * compresses, and forgets why a server disconnected, or that algorithms are not common, when it
 * finds the socket closed. */
void handshake_heard(struct handshake *h, const char *function, const char *text);

/* The server's address; false: the connection is no TCP connection of this process. */
bool handshake_peer(const struct handshake *h, struct ip *ip, uint16_t *port);

/* Sets the error of a step. Returns `status`, so that a step can end with the call. */
__attribute__((format(printf, 3, 4))) static inline enum dial_status handshake_fail(
    struct handshake *h, enum dial_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(h->error, sizeof(h->error), format, arguments);
    va_end(arguments);
    return status;
}

/* Gives a new handle what libssh itself reads of ssh_config(5) for that name. False: a file cannot
 * be read, or has lines that libssh does not accept. */
bool libssh_config_read(ssh_session handle, const struct config_upstream *upstream,
                        const char *alias);

/* login_engine's find. */
void libssh_config_find(const struct config_upstream *upstream, char name[static HOST_MAX + 1],
                        uint16_t *port);

/* The lists of algorithms (ssh_config(5): Ciphers, KexAlgorithms, MACs, HostKeyAlgorithms,
 * PubkeyAcceptedAlgorithms, with their + - ^): what libssh knows of those that are configured, or
 * the usual ones in the place of the others. False: nothing is left of one (h->error). */
bool algorithms_set(struct handshake *h, bool configured);

/* Whether the kinds of known host keys go first in HostKeyAlgorithms: the list is not configured in
 * whole. */
bool algorithms_follow_known_hosts(const struct config_upstream *upstream);

/* The list of PubkeyAcceptedAlgorithms again, as the next key of a login needs it: a plain one or
 * one with a certificate. libssh picks the hash of an RSA certificate's signature by the names of
 * plain keys, and then uses it only if the certificate's name is there, too. */
void algorithms_set_signatures(struct handshake *h, bool certificate);

/* What stands in such a list for certificates: their names, and for those of RSA also the name of
 * the plain key. The caller frees; NULL: none is there. */
char *algorithms_for_certificates(const char *names);

/* Whether this libssh knows a key exchange of session/post_quantum.h. */
bool algorithms_are_post_quantum(void);

/* login_engine's check: whether libssh knows something of each list that is configured. */
char *algorithms_check(const struct config_upstream *upstream);

/* A list as ssh_config(5) writes it, "+more", "-less", "^first" of `ours`, or a whole one, without
 * the names that a pattern of `never` matches. The caller frees; NULL: nothing is left. */
char *algorithms_resolve(const char *value, const char *ours, const char *never);

/* Has the keeper decide about the host key. */
enum dial_status host_key_verify(struct handshake *h);

/* "TYPE SHA256:..." of the server's key in the last key exchange; false: libssh has none. On the
 * thread that calls libssh for the session. */
#define HOST_KEY_TEXT_MAX sizeof(((struct connection_info *)0)->host_key)
bool host_key_text(ssh_session handle, char text[static HOST_KEY_TEXT_MAX]);

/* Checks, once the first encrypted packets of the server have come and before a secret is sent,
 * that packets are authenticated. False (h->error, and the log): they are not, and the session is
 * not used. */
bool handshake_is_checked(struct handshake *h);

/* RFC 4252: none, publickey (agent, identities), keyboard-interactive, password, until one succeeds
 * or none is left; also where the server asks for several in a row. */
enum dial_status handshake_authenticate(struct handshake *h);

#endif

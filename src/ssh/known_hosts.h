/* The lines of known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), with the markers that
 * libssh does not read. Only for this room. */
#ifndef ADIT_SSH_KNOWN_HOSTS_H
#define ADIT_SSH_KNOWN_HOSTS_H

#include "conf/config.h"

#include <libssh/libssh.h>

enum known_marker { KNOWN_PLAIN, KNOWN_REVOKED, KNOWN_AUTHORITY };

struct known_line {
    const char *file;
    unsigned number;
    enum known_marker marker;
    const char *names; /* as written: "host,192.0.2.1", "|1|..." */
    ssh_key key;
};

/* Calls `each` for every line that names `host` ("name", or "[name]:port" where the port is not
 * 22; NULL: for every line) with a key that can be read; what it is given lasts for the call. Files
 * that are not there have no lines. */
void known_hosts_each(const struct string_list *files, const char *host,
                      void (*each)(void *arg, const struct known_line *line), void *arg);

/* "SHA256:..." of a public key, as ssh-keygen(1) -l prints it; the caller frees with
 * ssh_string_free_char; NULL: it cannot be had. */
char *key_fingerprint(ssh_key key);

/* "ED25519", "RSA", ...: as ssh(1) calls it. */
const char *key_kind(ssh_key key);

#endif

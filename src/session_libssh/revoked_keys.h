/* RevokedHostKeys of ssh_config(5). On the dial thread. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_REVOKED_KEYS_H
#define ADIT_SESSION_LIBSSH_REVOKED_KEYS_H

#include "policy/known_hosts.h"
#include "session/login.h"

/* Looks the key up in the file (revoked_host_keys): a plain list of public keys is read here, a key
 * revocation list is shown to ssh-keygen(1), for which it may take some seconds, unless
 * `connection` is shut down meanwhile. DIAL_OK: it is not revoked. Else `error` says what is wrong:
 * a file that cannot be understood revokes every key. */
enum dial_status revoked_keys_check(const struct known_hosts_file *file,
                                    const struct public_key *key, int connection,
                                    char error[static 700]);

#endif

/* RevokedHostKeys of ssh_config(5). On the thread of a login line. Only for
 * this room. */
#ifndef ADIT_KEEPER_REVOKED_KEYS_H
#define ADIT_KEEPER_REVOKED_KEYS_H

#include "policy/known_hosts.h"
#include "wire/login_line.h"

/* Looks the key up in the file (revoked_host_keys): a plain list of public keys is read here, for a
 * key revocation list ssh-keygen(1) is run, which may take some seconds and ends when `line` is
 * shut down. LOGIN_OK: it is not revoked. Else `error` says what is wrong: a file that cannot be
 * understood revokes every key. */
enum login_result revoked_keys_check(const struct known_hosts_file *file,
                                     const struct public_key *key, int line,
                                     char error[static 700]);

#endif

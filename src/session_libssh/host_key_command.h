/* KnownHostsCommand: a program that prints further lines of known hosts. On the dial thread. Only
 * for this room. */
#ifndef ADIT_SESSION_LIBSSH_HOST_KEY_COMMAND_H
#define ADIT_SESSION_LIBSSH_HOST_KEY_COMMAND_H

#include "session_libssh/handshake.h"

/* Runs the upstream's known_hosts_command, if it has one, and puts what it printed behind the files
 * of `h->files`, in the place of what it printed before. As OpenSSH's load_hostkeys_command():
 * `invocation` is "ORDER" before the key exchange, with `key` NULL, and "HOSTNAME" for the key that
 * the server has. DIAL_OK, or h->error says how the program failed: what it did not say of a key
 * could have been that another one is the host's. */
enum dial_status host_key_command_run(struct handshake *h, const char *invocation,
                                      const struct public_key *key);

#endif

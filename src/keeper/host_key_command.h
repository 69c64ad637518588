/* KnownHostsCommand: a program that prints further lines of known hosts. On the thread
 * of a login line. Only for this room. */
#ifndef ADIT_KEEPER_HOST_KEY_COMMAND_H
#define ADIT_KEEPER_HOST_KEY_COMMAND_H

#include "keeper/login.h"

/* Runs the upstream's known_hosts_command, if it has one, and puts what it printed behind the files
 * of `login->files`, in the place of what it printed before. As OpenSSH's load_hostkeys_command():
 * `invocation` is "ORDER" before the key exchange, with `key` NULL, and "HOSTNAME" for the key that
 * the server has. LOGIN_OK, or login->error says how the program failed: what it did not say of a
 * key could have been that another one is the host's. */
enum login_result host_key_command_run(struct login *login, const char *invocation,
                                       const struct public_key *key);

#endif

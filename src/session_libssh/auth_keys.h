/* The keys of one run through the methods, for the files that try them. On the dial thread. Only
 * for this room. */
#ifndef ADIT_SESSION_LIBSSH_AUTH_KEYS_H
#define ADIT_SESSION_LIBSSH_AUTH_KEYS_H

#include "conf/identities.h"
#include "session_libssh/agent.h"
#include "session_libssh/authentication.h"

/* One way to try a key. */
struct key_attempt {
    struct identity *identity; /* NULL: the agent's */
    size_t agent_key;          /* its number with the agent */
    char *certificate; /* the file of the certificate that the identity goes with, or NULL */
};

struct auth_keys {
    bool kept; /* the keeper has the private keys; else their files are read here */
    struct identities all;
    struct agent *agent;          /* NULL: none */
    struct key_attempt *attempts; /* a ring, as ssh(1) has it: see auth_try_publickey */
    size_t count;
    size_t of_agent; /* of these */
    size_t next;
};

/* auth_publickey.c */

/* Whether the server would accept the key or certificate, so that its passphrase is asked for.
 * NULL: the public half is not known, and it is asked for. */
bool auth_is_welcome(struct authentication *a, ssh_key half);

/* Notes that the passphrase could not be had, for which nothing is tried again. */
void auth_note_locked(struct authentication *a, struct identity *identity);

/* Notes that no passphrase was asked for, as the server does not take the key. */
void auth_note_unwelcome(struct authentication *a, const struct identity *identity, ssh_key half);

/* Has the agent sign with its key of that number. */
int auth_sign_by_agent(struct authentication *a, size_t key);

/* auth_key_file.c, auth_kept_key.c: tries the identity, whose file is read here or by the keeper.
 * `certificate`: the file of the certificate that it goes with, or NULL. */
int auth_try_key_file(struct authentication *a, struct identity *identity, const char *certificate);
int auth_try_kept_key(struct authentication *a, struct identity *identity, const char *certificate);

#endif

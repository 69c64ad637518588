/* What a dial asks the keeper for of keys. On the dial thread. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_KEPT_KEYS_H
#define ADIT_SESSION_LIBSSH_KEPT_KEYS_H

#include "conf/identities.h"
#include "session_libssh/handshake.h"

/* Whether the keeper loads the keys of this login: which these are, to be cleared. False: this
 * process reads the files, and there is nothing to clear. */
bool kept_keys_list(struct handshake *h, struct identities *all);

/* A connection to the user's agent, the caller's. -1: none is to be asked, or `*error`, which the
 * caller frees, says why not. */
int kept_keys_user_agent(struct handshake *h, char **error);

/* A key that the keeper was asked to load. */
struct kept_key {
    enum login_key state;
    bool unanswered;        /* a question for its passphrase had no answer */
    struct key_blob public; /* LOGIN_KEY_LOADED: its public half, */
    int fd;                 /* and a connection to an agent that has that key alone; else -1 */
    char *problem;          /* else what is wrong, behind the name of the file in a sentence */
};

/* Loads a key of the list; `asks`: its passphrase is asked for, in the turn of this dial. To be
 * cleared. */
void kept_key_load(struct handshake *h, uint32_t number, bool asks, struct kept_key *key);
void kept_key_clear(struct kept_key *key);

#endif

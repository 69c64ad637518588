/* Which keys a login may offer: files of keys with their public halves, and certificates. On the
 * dial thread. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_IDENTITIES_H
#define ADIT_SESSION_LIBSSH_IDENTITIES_H

#include "session_libssh/agent.h"
#include "session_libssh/handshake.h"

#include <stdbool.h>
#include <stddef.h>

/* A key by the name of its file. */
struct identity {
    char *path;
    char *certificate;      /* FILE.pub, where that is a certificate: the key is offered with it */
    bool is_public;         /* the file has the public half only: an agent has the private one */
    struct key_blob public; /* no bytes: not known */
    bool given_up;          /* its passphrase could not be had */
};

struct identities {
    struct identity *items;
    size_t count;
    struct key_blob *certificates; /* of all of them */
    size_t certificate_count;
};

/* Those of the upstream, else those of ssh_config(5) where libssh has read that, else the usual
 * files of the home directory. The caller clears them. */
struct identities identities_find(const struct handshake *h);
void identities_clear(struct identities *all);

/* Whether the file holds a certificate, which may be that of the identity. */
bool identity_may_have(const struct identity *identity, const char *certificate);

#endif

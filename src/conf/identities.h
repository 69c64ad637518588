/* Which keys the logins of an upstream may offer: files of keys with their public halves, and
 * certificates. Nothing secret is read. Any thread that may wait for a disk. */
#ifndef ADIT_CONF_IDENTITIES_H
#define ADIT_CONF_IDENTITIES_H

#include "base/ssh_bytes.h"
#include "conf/config.h"
#include "conf/key_blob.h"

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

/* A file with a certificate. */
struct identity_certificate {
    char *path;
    struct key_blob blob;
};

struct identities {
    struct identity *items;
    size_t count;
    struct identity_certificate *certificates; /* of all of them */
    size_t certificate_count;
};

/* Those of the upstream; else that of ssh_config(5) where libssh has read that, which is `other`
 * (NULL: none); else the usual files of the home directory. The caller clears them. */
struct identities identities_find(const struct config_upstream *upstream, const char *other);

/* Appends the paths of the keys among them that identities_find may find (without `other`), whether
 * there is a file or not. Reads nothing. */
void identities_paths(const struct config_upstream *upstream, struct string_list *paths);

void identities_clear(struct identities *all);

/* The certificate in that file, if it may be the identity's; NULL: it is none of those. */
const struct key_blob *identities_certificate(const struct identities *all,
                                              const struct identity *identity, const char *path);

/* Writes them down for another process, and reads that. False: it is not what was written, and
 * there is nothing to clear. */
void identities_write(const struct identities *all, struct buffer *out);
bool identities_read(struct span bytes, struct identities *all);

#endif

/* Reading files with keys before libssh gets them. On the dial thread. Only for this room.
 *
 * libssh opens the file of a key by its name and trusts it: it waits for a writer of a FIFO,
 * calls a function that is not there for some ciphers, and takes an Ed25519 key in PKCS#8 without
 * its public half, which makes later keys fail. So files are read and inspected here. */
#ifndef ADIT_SESSION_LIBSSH_KEY_FILE_H
#define ADIT_SESSION_LIBSSH_KEY_FILE_H

#include <libssh/libssh.h>
#include <stdbool.h>

/* A private key as libssh has read it, or why there is none. */
struct key_import {
    ssh_key key;    /* the caller's; NULL: none */
    bool encrypted; /* the key is encrypted, and `passphrase` is missing or wrong */
    char *problem;  /* else what is wrong with the file, "cannot be read: ..."; the caller frees */
    bool missing;   /* the file does not exist */
};

/* `passphrase` may be NULL. */
struct key_import key_file_import(const char *path, const char *passphrase);

#endif

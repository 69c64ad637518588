/* Reading files with keys before libssh gets them. On the dial thread. Only for this room.
 *
 * libssh opens the file of a key by its name and trusts it: it waits for a writer of a FIFO,
 * calls a function that is not there for some ciphers, and takes an Ed25519 key in PKCS#8 without
 * its public half, which makes later keys fail. So files are read and inspected here. */
#ifndef ADIT_SESSION_LIBSSH_KEY_FILE_H
#define ADIT_SESSION_LIBSSH_KEY_FILE_H

#include "base/buffer.h"

#include <libssh/libssh.h>
#include <stdbool.h>
#include <stddef.h>

/* Reads a regular file of 1 MiB at most to `text`, with a NUL behind it. NULL, or why not: static
 * text or strerror's, with errno set to the number of the error, 0 for an empty file. The caller
 * ends `text` by buffer_wipe in each case, as the file may hold a private key. */
const char *key_file_read(const char *path, struct buffer *text);

/* Whether libssh may open the file by its name: it is a regular file of 1 MiB at most. */
bool key_file_is_plain(const char *path);

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

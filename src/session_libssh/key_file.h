/* Files with keys, as libssh may have them. Only for this room.
 *
 * libssh opens a key's file by its name and does what the file says: it waits for a writer of a
 * FIFO, calls a function that is not there for some ciphers, and takes an Ed25519 key in PKCS#8
 * without its public half, which makes later keys fail. So files are read and looked at here. */
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

/* Whether libssh may be given that name. */
bool key_file_is_plain(const char *path);

/* What libssh makes of a private key, and why it makes nothing of it. */
struct key_import {
    ssh_key key;    /* the caller's; NULL: none */
    bool encrypted; /* and `passphrase` was not there, or not right */
    char *problem;  /* else what is wrong with the file, "cannot be read: ..."; the caller frees */
    bool missing;   /* there is no such file */
};

/* `passphrase` may be NULL. */
struct key_import key_file_import(const char *path, const char *passphrase);

#endif

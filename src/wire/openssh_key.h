/* The unencrypted outer fields of an OpenSSH private key (OpenSSH, PROTOCOL.key), which can be read
 * without its passphrase. Pure; any thread. */
#ifndef ADIT_WIRE_OPENSSH_KEY_H
#define ADIT_WIRE_OPENSSH_KEY_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* The longest name of a cipher, with its NUL. */
#define OPENSSH_KEY_NAME_MAX 64

enum openssh_key {
    OPENSSH_KEY_NONE,    /* the text holds no key of this format */
    OPENSSH_KEY_OK,      /* not encrypted, or by a cipher and a KDF that libssh decrypts */
    OPENSSH_KEY_CIPHER,  /* encrypted by another cipher */
    OPENSSH_KEY_KDF,     /* its key is derived from the passphrase in another way than by bcrypt */
    OPENSSH_KEY_TOKEN,   /* the key is in a FIDO token, of which the file is the handle */
    OPENSSH_KEY_DAMAGED, /* the format is not kept */
};

/* Inspects the first such key in `text`. `name` becomes the name of the cipher, the KDF or the
 * key's type, in printable characters, as far as one was read; else "".
 *
 * * libssh takes any cipher that it knows for transport, and calls a function that is not there for
 * the AEAD ones (aes128-gcm@openssh.com, aes256-gcm@openssh.com, chacha20-poly1305@openssh.com). */
enum openssh_key openssh_key_inspect(const char *text, size_t length,
                                     char name[static OPENSSH_KEY_NAME_MAX]);

/* Appends the public half of the first such key (RFC 4253 section 6.6), which is never encrypted,
 * to an empty buffer. False: there is none, or it is not whole. */
bool openssh_key_public(const char *text, size_t length, struct buffer *public);

#endif

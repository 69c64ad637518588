/* Public keys and certificates as they travel and as they lie in files. Any thread that may wait
 * for a disk. */
#ifndef ADIT_CONF_KEY_BLOB_H
#define ADIT_CONF_KEY_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A public key or certificate as it travels (RFC 4253 section 6.6). */
struct key_blob {
    uint8_t *bytes;
    size_t length;
};

/* Reads the line of a .pub file, "TYPE BASE64 COMMENT". False: the file cannot be read or has no
 * such line, and there is nothing to free. Else the caller frees blob->bytes. */
bool key_blob_read(const char *path, struct key_blob *blob);
/* The same of `length` characters of base64; false: they are none. */
bool key_blob_decode(const char *base64, size_t length, struct key_blob *blob);
/* A copy, whose bytes the caller frees. */
struct key_blob key_blob_copy(const struct key_blob *blob);
bool key_blob_equal(const struct key_blob *a, const struct key_blob *b);
/* Whether its type is that of a certificate. */
bool key_blob_is_certificate(const struct key_blob *blob);
/* Whether `certificate` certifies the key as that of a user, not of a host (PROTOCOL.certkeys of
 * OpenSSH). */
bool key_blob_certifies(const struct key_blob *certificate, const struct key_blob *key);
/* Until when the certificate is valid, in seconds since 1970; 0: the blob is no certificate that
 * can be read, or it is valid for ever. */
uint64_t key_blob_valid_until(const struct key_blob *certificate);

#endif

/* Public keys as OpenSSH writes them: in base64 behind their type, and as the blob of RFC 4253
 * section 6.6. Pure; any thread. */
#ifndef ADIT_POLICY_PUBLIC_KEY_H
#define ADIT_POLICY_PUBLIC_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum public_key_type {
    PUBLIC_KEY_ED25519,
    PUBLIC_KEY_ECDSA_256,
    PUBLIC_KEY_ECDSA_384,
    PUBLIC_KEY_ECDSA_521,
    PUBLIC_KEY_RSA,
    PUBLIC_KEY_DSA,
    PUBLIC_KEY_ED25519_SK, /* FIDO keys */
    PUBLIC_KEY_ECDSA_SK,
    PUBLIC_KEY_TYPES,
};

struct public_key {
    enum public_key_type type;
    /* The key came in a certificate. The blob is that of the key which is certified. */
    bool certificate;
    uint8_t *blob; /* without leading zeroes in its numbers: equal keys have equal blobs */
    size_t length;
};

enum public_key_result {
    PUBLIC_KEY_OK,
    PUBLIC_KEY_SHORT, /* an RSA key with fewer than 1,024 bits */
    PUBLIC_KEY_BAD,   /* no key, or one of a type that is not known */
};

/* Reads a blob of RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4 or OpenSSH's
 * PROTOCOL.u2f and PROTOCOL.certkeys, as sshkey_fromb() of OpenSSH does; signatures of certificates
 * are not verified. With PUBLIC_KEY_OK the key is the caller's to clear; else there is nothing to
 * clear. */
enum public_key_result public_key_parse(const uint8_t *blob, size_t length, struct public_key *key);

/* Reads "TYPE BASE64 COMMENT" (no NUL needed), as sshkey_read() of OpenSSH does: base64 with all
 * of its padding, and the type as in the blob. */
enum public_key_result public_key_read(const char *text, size_t length, struct public_key *key);

void public_key_clear(struct public_key *key);

/* Whether both are the same public key, be it certified or not. */
bool public_key_equal(const struct public_key *a, const struct public_key *b);

/* "TYPE BASE64", as in a file of public keys; the caller frees. */
char *public_key_text(const struct public_key *key);

/* "SHA256:..." as ssh-keygen(1) -l prints it; the caller frees. */
char *public_key_fingerprint(const struct public_key *key);

/* "ED25519", "RSA", ...: as ssh(1) calls the type. */
const char *public_key_brief(enum public_key_type type);

/* The type of key that a host key algorithm ("rsa-sha2-512", also of certificates) signs with;
 * PUBLIC_KEY_TYPES: the name is not known. */
enum public_key_type public_key_type_of(const char *algorithm);

#endif

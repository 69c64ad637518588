/* Key exchange as a server does it: curve25519-sha256, ssh-ed25519, aes128-ctr with hmac-sha2-256.
 * For rogue_transport.c and t/fuzz/session.c. */
#ifndef ADIT_T_LIB_ROGUE_KEX_H
#define ADIT_T_LIB_ROGUE_KEX_H

#include "rogue_packets.h"

enum { MSG_DISCONNECT = 1, MSG_KEXINIT = 20, MSG_NEWKEYS = 21, MSG_ECDH_INIT = 30, MSG_REPLY = 31 };

extern const char rogue_version[];

/* What all key exchanges of a connection have in common. */
struct rogue_sides {
    EVP_PKEY *host_key;
    char their_version[256];
    uint8_t session_id[HASH_SIZE];
    bool has_session_id;
};

/* One of them. Whoever fills it frees what is in it. */
struct exchange {
    struct bytes theirs, ours; /* KEXINIT */
    uint8_t client[32], server[32], secret[32];
    struct bytes blob; /* the host key */
    uint8_t digest[HASH_SIZE];
};

/* Our KEXINIT; the caller frees its data. */
struct bytes kex_init(void);

/* The key of a seed of 32 bytes, and its public half as a blob; both are the caller's. */
EVP_PKEY *kex_key(const uint8_t seed[32]);
struct bytes kex_key_blob(EVP_PKEY *key);

/* With both KEXINITs, the blob and the client's public value: the rest of the exchange. */
void kex_agree(struct exchange *x, struct rogue_sides *sides);

/* Then: our reply, and the keys of a direction ("BDF" from us, "ACE" to us). */
struct bytes kex_reply(const struct exchange *x, const struct rogue_sides *sides);
void kex_take_keys(const struct exchange *x, const struct rogue_sides *sides, struct direction *d,
                   const char *letters);

#endif

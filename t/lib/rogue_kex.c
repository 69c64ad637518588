/* Key exchange as a server does it (RFC 4253 section 7, RFC 8731), for rogue_transport.c and
 * t/fuzz/session.c. */
#include "rogue_kex.h"

#include <stdlib.h>
#include <string.h>

const char rogue_version[] = "SSH-2.0-Rogue_1.0";

struct bytes kex_init(void)
{
    static const char *const lists[] = {
        "curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha2-256",
        "hmac-sha2-256",     "none",        "none",       "",           ""};
    struct bytes b = {0};
    uint8_t cookie[16] = {0};

    put_u8(&b, MSG_KEXINIT);
    put(&b, cookie, sizeof(cookie));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        put_text(&b, lists[i]);
    put_u8(&b, 0);
    put_u32(&b, 0);
    return b;
}

static void hash(const struct bytes *b, uint8_t digest[HASH_SIZE])
{
    if (EVP_Digest(b->data, b->length, digest, NULL, EVP_sha256(), NULL) != 1)
        fail("hash");
}

static void agree(struct exchange *x)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, NULL);
    EVP_PKEY *ours = NULL;
    EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, x->client, 32);
    size_t size = 32;

    if (EVP_PKEY_keygen_init(context) != 1 || EVP_PKEY_keygen(context, &ours) != 1 ||
        EVP_PKEY_get_raw_public_key(ours, x->server, &size) != 1)
        fail("X25519");
    EVP_PKEY_CTX_free(context);
    context = EVP_PKEY_CTX_new(ours, NULL);
    if (EVP_PKEY_derive_init(context) != 1 || EVP_PKEY_derive_set_peer(context, theirs) != 1 ||
        EVP_PKEY_derive(context, x->secret, &size) != 1)
        fail("X25519");
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(ours);
    EVP_PKEY_free(theirs);
}

struct bytes kex_key_blob(EVP_PKEY *key)
{
    struct bytes b = {0};
    uint8_t public[32];
    size_t size = sizeof(public);

    if (EVP_PKEY_get_raw_public_key(key, public, &size) != 1)
        fail("host key");
    put_text(&b, "ssh-ed25519");
    put_string(&b, public, size);
    return b;
}

static void exchange_hash(struct exchange *x, struct rogue_sides *sides)
{
    struct bytes b = {0};

    put_text(&b, sides->their_version);
    put_text(&b, rogue_version);
    put_string(&b, x->theirs.data, x->theirs.length);
    put_string(&b, x->ours.data, x->ours.length);
    put_string(&b, x->blob.data, x->blob.length);
    put_string(&b, x->client, 32);
    put_string(&b, x->server, 32);
    put_mpint(&b, x->secret, 32);
    hash(&b, x->digest);
    free(b.data);
    if (!sides->has_session_id)
        memcpy(sides->session_id, x->digest, HASH_SIZE);
    sides->has_session_id = true;
}

void kex_agree(struct exchange *x, struct rogue_sides *sides)
{
    agree(x);
    exchange_hash(x, sides);
}

struct bytes kex_reply(const struct exchange *x, const struct rogue_sides *sides)
{
    struct bytes b = {0}, signature = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t signed_bytes[64];
    size_t size = sizeof(signed_bytes);

    if (EVP_DigestSignInit(context, NULL, NULL, NULL, sides->host_key) != 1 ||
        EVP_DigestSign(context, signed_bytes, &size, x->digest, HASH_SIZE) != 1)
        fail("signature");
    EVP_MD_CTX_free(context);
    put_text(&signature, "ssh-ed25519");
    put_string(&signature, signed_bytes, size);
    put_u8(&b, MSG_REPLY);
    put_string(&b, x->blob.data, x->blob.length);
    put_string(&b, x->server, 32);
    put_string(&b, signature.data, signature.length);
    free(signature.data);
    return b;
}

/* RFC 4253 section 7.2. */
static void derive(const struct exchange *x, const struct rogue_sides *sides, char letter,
                   uint8_t digest[HASH_SIZE])
{
    struct bytes b = {0};

    put_mpint(&b, x->secret, 32);
    put(&b, x->digest, HASH_SIZE);
    put_u8(&b, (uint8_t)letter);
    put(&b, sides->session_id, HASH_SIZE);
    hash(&b, digest);
    free(b.data);
}

void kex_take_keys(const struct exchange *x, const struct rogue_sides *sides, struct direction *d,
                   const char *letters)
{
    uint8_t iv[HASH_SIZE], key[HASH_SIZE];

    derive(x, sides, letters[0], iv);
    derive(x, sides, letters[1], key);
    derive(x, sides, letters[2], d->mac_key);
    EVP_CIPHER_CTX_free(d->cipher);
    d->cipher = EVP_CIPHER_CTX_new();
    /* (In CTR mode both directions encrypt.) */
    if (EVP_CipherInit_ex(d->cipher, EVP_aes_128_ctr(), NULL, key, iv, 1) != 1)
        fail("cipher");
}

EVP_PKEY *kex_key(const uint8_t seed[32])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);

    if (key == NULL)
        fail("seed");
    return key;
}

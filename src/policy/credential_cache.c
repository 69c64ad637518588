/* Credentials that were right not long ago, as keyed hashes. */
#include "policy/users.h"

#include "base/log.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define MAC_SIZE 32 /* HMAC-SHA256 */

struct credential {
    uint8_t mac[MAC_SIZE];
    uint64_t added_ms;
    UT_hash_handle hh;
};

struct credential_cache {
    struct credential *table; /* uthash keeps the order of adding: the first is the oldest */
    size_t capacity;
    uint64_t lifetime_ms;
    uint8_t key[MAC_SIZE];
};

struct credential_cache *credential_cache_new(size_t capacity, uint64_t lifetime_ms)
{
    struct credential_cache *cache = mem_zalloc(sizeof(*cache));

    cache->capacity = capacity;
    cache->lifetime_ms = lifetime_ms;
    if (RAND_bytes(cache->key, sizeof(cache->key)) != 1) {
        log_error("no random bytes for the credential cache");
        abort();
    }
    return cache;
}

static void credential_drop(struct credential_cache *cache, struct credential *credential)
{
    HASH_DEL(cache->table, credential);
    free(credential);
}

void credential_cache_free(struct credential_cache *cache)
{
    if (!cache)
        return;
    while (cache->table)
        credential_drop(cache, cache->table);
    mem_free_secret(cache, sizeof(*cache));
}

/* The keyed hash of tag, name and password; each is preceded by its length or of a fixed one, so
 * that no two triples are the same bytes. */
static void credential_mac(const struct credential_cache *cache, uint64_t tag, const char *name,
                           const char *password, uint8_t mac[static MAC_SIZE])
{
    size_t name_length = strlen(name);
    size_t password_length = strlen(password);
    size_t length = sizeof(tag) + sizeof(name_length) + name_length + password_length;
    uint8_t *message = mem_zalloc(length);
    uint8_t *p = message;

    p = mempcpy(p, &tag, sizeof(tag));
    p = mempcpy(p, &name_length, sizeof(name_length));
    p = mempcpy(p, name, name_length);
    memcpy(p, password, password_length);
    if (!HMAC(EVP_sha256(), cache->key, sizeof(cache->key), message, length, mac, NULL)) {
        log_error("HMAC-SHA256 is not to be had from OpenSSL");
        abort();
    }
    mem_free_secret(message, length);
}

/* The entry, if it is there and its lifetime is not over. */
static struct credential *credential_find(struct credential_cache *cache,
                                          const uint8_t mac[static MAC_SIZE], uint64_t now_ms)
{
    struct credential *credential;

    HASH_FIND(hh, cache->table, mac, MAC_SIZE, credential);
    if (credential && now_ms - credential->added_ms >= cache->lifetime_ms) {
        credential_drop(cache, credential);
        return NULL;
    }
    return credential;
}

bool credential_cache_has(struct credential_cache *cache, uint64_t tag, const char *name,
                          const char *password, uint64_t now_ms)
{
    uint8_t mac[MAC_SIZE];

    credential_mac(cache, tag, name, password, mac);
    return credential_find(cache, mac, now_ms) != NULL;
}

void credential_cache_add(struct credential_cache *cache, uint64_t tag, const char *name,
                          const char *password, uint64_t now_ms)
{
    struct credential *credential = mem_zalloc(sizeof(*credential));
    struct credential *old;

    credential_mac(cache, tag, name, password, credential->mac);
    credential->added_ms = now_ms;
    old = credential_find(cache, credential->mac, now_ms);
    if (old)
        credential_drop(cache, old);
    HASH_ADD(hh, cache->table, mac, MAC_SIZE, credential);
    while (HASH_COUNT(cache->table) > cache->capacity)
        credential_drop(cache, cache->table);
}

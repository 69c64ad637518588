/* Answers and the cache of them. */
#include "io/resolver_cache.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct cached {
    UT_hash_handle hh;
    struct answer *answer;
    uint64_t expires;
    char name[];
};

struct answer *answer_new(enum resolve_status status, const char *error, const struct ip *addresses,
                          size_t count)
{
    struct answer *answer = mem_zalloc(sizeof(*answer) + count * sizeof(*addresses));

    answer->holders = 1;
    answer->status = status;
    answer->error = error;
    answer->count = count;
    if (count > 0)
        memcpy(answer->addresses, addresses, count * sizeof(*addresses));
    return answer;
}

struct answer *answer_hold(struct answer *answer)
{
    answer->holders++;
    return answer;
}

void answer_release(struct answer *answer)
{
    if (answer != NULL && --answer->holders == 0)
        free(answer);
}

/* One record's TTL into the smallest so far. RFC 2181 section 8 has 31 bits, and 0 for what has the
 * 32nd: a negative number here, unless c-ares has clamped it to the largest (1.34 does). */
static int least_ttl(int least, int ttl)
{
    if (ttl < 0)
        return 0;
    return ttl < least ? ttl : least;
}

static int least_ttl_of(int ttl, const struct ares_addrinfo *found)
{
    for (const struct ares_addrinfo_node *node = found->nodes; node != NULL; node = node->ai_next)
        ttl = least_ttl(ttl, node->ai_ttl);
    for (const struct ares_addrinfo_cname *cname = found->cnames; cname; cname = cname->next)
        ttl = least_ttl(ttl, cname->ttl);
    return ttl;
}

uint64_t answer_ttl(const struct answer *answer, struct ares_addrinfo *const found[2])
{
    int ttl = RESOLVER_TTL_MAX;

    switch (answer->status) {
    case RESOLVE_NO_SUCH_NAME: return RESOLVER_TTL_NEGATIVE;
    case RESOLVE_FAILED: return 0;
    case RESOLVE_FOUND: break;
    }
    for (int i = 0; i < 2; i++)
        if (found[i] != NULL)
            ttl = least_ttl_of(ttl, found[i]);
    return (uint64_t)ttl;
}

static void forget_entry(struct resolver_cache *cache, struct cached *cached)
{
    HASH_DEL(cache->entries, cached);
    answer_release(cached->answer);
    free(cached);
}

struct answer *cache_find(struct resolver_cache *cache, const char *name, uint64_t now)
{
    struct cached *cached;

    HASH_FIND_STR(cache->entries, name, cached);
    if (cached == NULL)
        return NULL;
    if (cached->expires <= now) {
        forget_entry(cache, cached);
        return NULL;
    }
    return cached->answer;
}

void cache_store(struct resolver_cache *cache, const char *name, struct answer *answer,
                 uint64_t expires)
{
    size_t size = strlen(name) + 1;
    struct cached *cached;

    HASH_FIND_STR(cache->entries, name, cached);
    if (cached != NULL)
        forget_entry(cache, cached);
    else if (HASH_COUNT(cache->entries) >= RESOLVER_CACHE_MAX)
        forget_entry(cache, cache->entries); /* uthash's head is what was added first */

    cached = mem_zalloc(sizeof(*cached) + size);
    cached->answer = answer_hold(answer);
    cached->expires = expires;
    memcpy(cached->name, name, size);
    HASH_ADD_STR(cache->entries, name, cached);
}

void cache_clear(struct resolver_cache *cache)
{
    while (cache->entries != NULL)
        forget_entry(cache, cache->entries);
}

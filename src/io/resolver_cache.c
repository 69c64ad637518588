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

static void forget(struct resolver_cache *cache, struct cached *cached)
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
        forget(cache, cached);
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
        forget(cache, cached);
    else if (HASH_COUNT(cache->entries) >= RESOLVER_CACHE_MAX)
        forget(cache, cache->entries); /* uthash's head is what was added first */

    cached = mem_zalloc(sizeof(*cached) + size);
    cached->answer = answer_hold(answer);
    cached->expires = expires;
    memcpy(cached->name, name, size);
    HASH_ADD_STR(cache->entries, name, cached);
}

void cache_clear(struct resolver_cache *cache)
{
    while (cache->entries != NULL)
        forget(cache, cache->entries);
}

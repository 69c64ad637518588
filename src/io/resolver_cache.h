/* Answers about names, shared by the look-ups that wait for them, and their cache. For resolver.c
 * only. */
#ifndef ADIT_IO_RESOLVER_CACHE_H
#define ADIT_IO_RESOLVER_CACHE_H

#include "io/resolver.h"

#include <ares.h>

/* One answer; never changes, counts its holders. */
struct answer {
    unsigned holders;
    enum resolve_status status;
    const char *error; /* static; NULL when found */
    bool timed_out;    /* failed, as no server answered in time */
    size_t count;
    struct ip addresses[];
};

/* A new answer with the caller as its one holder; `addresses` are copied. */
struct answer *answer_new(enum resolve_status status, const char *error, const struct ip *addresses,
                          size_t count);

/* One holder more; returns `answer`. */
struct answer *answer_hold(struct answer *answer);

/* One holder less; the last one frees. NULL is fine. */
void answer_release(struct answer *answer);

/* For how many seconds the cache may give this answer again: the smallest TTL of the records that
 * c-ares found for the two families, RESOLVER_TTL_MAX at most; a fixed time for a name that does
 * not exist, none for a failure. NULL: nothing was found for the family. */
uint64_t answer_ttl(const struct answer *answer, struct ares_addrinfo *const found[2]);

/* At most RESOLVER_CACHE_MAX answers by name. Zero-initialise. */
struct resolver_cache {
    struct cached *entries; /* a uthash: in the order they were stored */
};

/* The answer about `name` that is still good at `now` (milliseconds of loop_now), or NULL. The
 * answer stays the cache's. */
struct answer *cache_find(struct resolver_cache *cache, const char *name, uint64_t now);

/* Remembers `answer` until `expires`, in place of what was known about `name`; holds it. */
void cache_store(struct resolver_cache *cache, const char *name, struct answer *answer,
                 uint64_t expires);

/* Forgets everything. */
void cache_clear(struct resolver_cache *cache);

#endif

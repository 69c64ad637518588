/* Token buckets, and the table of counts. */
#include "policy/limits.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Doubled when there are more entries than buckets. */
#define BUCKETS_MIN 64

struct limit_entry {
    struct limit_entry *prev, *next;           /* in its bucket */
    struct limit_entry *idle_prev, *idle_next; /* while there are no references */
    uint64_t hash;
    unsigned references;
    unsigned counts[LIMIT_WHATS];
    unsigned refused; /* since it was told */
    uint64_t told_at; /* milliseconds, plus one; 0: never */
    struct token_bucket fresh;
    struct token_bucket rates[2];
    size_t length;
    uint8_t key[];
};

struct limit_table {
    uint64_t seed;
    size_t idle_max;
    size_t idle_count;
    size_t count;
    size_t bucket_count;          /* a power of two */
    struct limit_entry **buckets; /* lists */
    struct limit_entry *idle;     /* a list, the oldest first */
};

unsigned limit_bound(const struct limit_bounds *bounds, enum limit_what what)
{
    static const unsigned of_source[LIMIT_WHATS] = {
        [LIMIT_CONNECTIONS] = LIMIT_SOURCE_CONNECTIONS,
        [LIMIT_BEFORE_LOGIN] = LIMIT_SOURCE_BEFORE_LOGIN,
        [LIMIT_OPENS] = LIMIT_SOURCE_OPENS,
    };

    if (bounds->most[what] != 0 || bounds->per != LIMIT_PER_SOURCE)
        return bounds->most[what];
    return of_source[what];
}

/* Keys. */

/* FNV-1a. (The names are those of the configuration, and no peer's.) */
static uint64_t name_hash(const char *name)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        sum = (sum ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return sum;
}

static struct limit_key limit_key_make(const char *limit, enum limit_per per, const void *value,
                                       size_t length)
{
    struct limit_key key;
    uint64_t name = name_hash(limit);

    memcpy(key.bytes, &name, sizeof(name));
    key.bytes[sizeof(name)] = (uint8_t)per;
    key.length = sizeof(name) + 1 + length;
    if (length > 0)
        memcpy(key.bytes + sizeof(name) + 1, value, length);
    return key;
}

struct limit_key limit_key_source(const char *limit, const struct ip *ip)
{
    if (ip == NULL)
        return limit_key_make(limit, LIMIT_PER_SOURCE, "", 0);
    return limit_key_make(limit, LIMIT_PER_SOURCE, ip->bytes, ip_is_v4(ip) ? 16 : 8);
}

struct limit_key limit_key_user(const char *limit, const char *user)
{
    return limit_key_make(limit, LIMIT_PER_USER, user, strnlen(user, 255));
}

struct limit_key limit_key_all(const char *limit)
{
    return limit_key_make(limit, LIMIT_PER_ALL, "", 0);
}

uint64_t limit_source_hash(const struct ip *ip)
{
    struct limit_key key = limit_key_source("", ip);
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < key.length; i++)
        sum = (sum ^ key.bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* Token buckets. */

bool token_bucket_take(struct token_bucket *bucket, uint64_t now, uint64_t cost, uint64_t burst)
{
    uint64_t from = bucket->full_at > now ? bucket->full_at : now;

    if (from > now && from + cost > now + burst)
        return false;
    bucket->full_at = from + cost;
    return true;
}

uint64_t token_bucket_reserve(struct token_bucket *bucket, uint64_t now, uint64_t cost,
                              uint64_t burst)
{
    bucket->full_at = (bucket->full_at > now ? bucket->full_at : now) + cost;
    return bucket->full_at > now + burst ? bucket->full_at - now - burst : 0;
}

/* The table. */

struct limit_table *limit_table_new(uint64_t seed, size_t idle_max)
{
    struct limit_table *table = mem_zalloc(sizeof(*table));

    table->seed = seed;
    table->idle_max = idle_max;
    table->bucket_count = BUCKETS_MIN;
    table->buckets = mem_zalloc(BUCKETS_MIN * sizeof(*table->buckets));
    return table;
}

void limit_table_free(struct limit_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct limit_entry *entry = table->buckets[i];
        while (entry != NULL) {
            struct limit_entry *next = entry->next;
            free(entry);
            entry = next;
        }
    }
    free(table->buckets);
    free(table);
}

size_t limit_table_size(const struct limit_table *table)
{
    return table->count;
}

/* Multiplies and folds each eight bytes in, under the seed (as wyhash does). */
static uint64_t key_hash(const struct limit_table *table, const struct limit_key *key)
{
    uint64_t sum = table->seed ^ key->length;

    for (size_t i = 0; i < key->length; i += 8) {
        uint64_t word = 0;
        size_t left = key->length - i;
        __uint128_t product;
        memcpy(&word, key->bytes + i, left < 8 ? left : 8);
        product = (__uint128_t)(sum ^ word ^ table->seed) * UINT64_C(0x9e3779b97f4a7c15);
        sum = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return sum;
}

static struct limit_entry **bucket_of(struct limit_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

static void table_grow(struct limit_table *table)
{
    size_t before = table->bucket_count;
    struct limit_entry **old = table->buckets;
    struct limit_entry *entry, *next;

    table->bucket_count *= 2;
    table->buckets = mem_zalloc(table->bucket_count * sizeof(*old));
    for (size_t i = 0; i < before; i++)
        DL_FOREACH_SAFE (old[i], entry, next) {
            DL_PREPEND(*bucket_of(table, entry->hash), entry);
        }
    free(old);
}

bool limit_entry_is(const struct limit_entry *entry, const struct limit_key *key)
{
    return entry->length == key->length && memcmp(entry->key, key->bytes, key->length) == 0;
}

static struct limit_entry *entry_new(struct limit_table *table, const struct limit_key *key,
                                     uint64_t hash)
{
    struct limit_entry *entry = mem_zalloc(sizeof(*entry) + key->length);

    if (++table->count > table->bucket_count)
        table_grow(table);
    entry->hash = hash;
    entry->length = key->length;
    memcpy(entry->key, key->bytes, key->length);
    DL_PREPEND(*bucket_of(table, hash), entry);
    return entry;
}

struct limit_entry *limit_entry_get(struct limit_table *table, const struct limit_key *key)
{
    uint64_t hash = key_hash(table, key);
    struct limit_entry *entry;

    DL_FOREACH (*bucket_of(table, hash), entry) {
        if (entry->hash == hash && limit_entry_is(entry, key))
            break;
    }
    if (entry == NULL) {
        entry = entry_new(table, key, hash);
    } else if (entry->references == 0) {
        DL_DELETE2(table->idle, entry, idle_prev, idle_next);
        table->idle_count--;
    }
    entry->references++;
    return entry;
}

void limit_entry_ref(struct limit_entry *entry)
{
    assert(entry->references > 0 && "who has an entry has a reference");
    entry->references++;
}

static void entry_free(struct limit_table *table, struct limit_entry *entry)
{
    DL_DELETE(*bucket_of(table, entry->hash), entry);
    table->count--;
    free(entry);
}

/* Whether a new entry would be another one. */
static bool remembers(const struct limit_entry *entry, uint64_t now_ms)
{
    uint64_t now = now_ms * NS_PER_MS;

    return entry->fresh.full_at > now || entry->rates[0].full_at > now ||
           entry->rates[1].full_at > now ||
           (entry->told_at != 0 && now_ms + 1 < entry->told_at + LIMIT_TELL_MS);
}

void limit_entry_put(struct limit_table *table, struct limit_entry *entry, uint64_t now_ms)
{
    assert(entry->references > 0 && "a reference is given back once");
    if (--entry->references > 0)
        return;
    if (!remembers(entry, now_ms)) {
        entry_free(table, entry);
        return;
    }
    DL_APPEND2(table->idle, entry, idle_prev, idle_next);
    if (++table->idle_count <= table->idle_max)
        return;
    entry = table->idle;
    DL_DELETE2(table->idle, entry, idle_prev, idle_next);
    table->idle_count--;
    entry_free(table, entry);
}

/* Counts. */

bool limit_entry_take(struct limit_entry *entry, const struct limit_bounds *bounds,
                      enum limit_what what)
{
    unsigned most = limit_bound(bounds, what);

    if (most != 0 && entry->counts[what] >= most)
        return false;
    entry->counts[what]++;
    return true;
}

void limit_entry_give(struct limit_entry *entry, enum limit_what what)
{
    assert(entry->counts[what] > 0 && "what is given back was counted");
    entry->counts[what]--;
}

unsigned limit_entry_count(const struct limit_entry *entry, enum limit_what what)
{
    return entry->counts[what];
}

bool limit_entry_take_fresh(struct limit_entry *entry, const struct limit_bounds *bounds,
                            uint64_t now_ms)
{
    return bounds->fresh == 0 ||
           token_bucket_take(&entry->fresh, now_ms * NS_PER_MS, NS_PER_S / bounds->fresh,
                             bounds->burst_ms * NS_PER_MS);
}

/* What so many bytes cost, in nanoseconds. */
static uint64_t rate_cost(const struct limit_bounds *bounds, size_t bytes)
{
    return (uint64_t)((__uint128_t)bytes * NS_PER_S / bounds->rate);
}

uint64_t limit_entry_reserve(struct limit_entry *entry, const struct limit_bounds *bounds,
                             int direction, size_t bytes, uint64_t now_ms)
{
    uint64_t cost = rate_cost(bounds, bytes);

    return token_bucket_reserve(&entry->rates[direction], now_ms * NS_PER_MS, cost,
                                bounds->burst_ms * NS_PER_MS) /
           NS_PER_MS;
}

void limit_entry_return(struct limit_entry *entry, const struct limit_bounds *bounds, int direction,
                        size_t bytes)
{
    uint64_t cost = rate_cost(bounds, bytes);
    uint64_t *full_at = &entry->rates[direction].full_at;

    *full_at -= cost < *full_at ? cost : *full_at;
}

unsigned limit_entry_refused(struct limit_entry *entry, uint64_t now_ms)
{
    unsigned times = ++entry->refused;

    if (entry->told_at != 0 && now_ms + 1 < entry->told_at + LIMIT_TELL_MS)
        return 0;
    entry->told_at = now_ms + 1;
    entry->refused = 0;
    return times;
}

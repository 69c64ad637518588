/* A table of hashes with times, in which a name displaces the one that was in its place. */
#include "policy/fast_names.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PLACES 1024
#define LIFETIME_S 600

/* An entry is a hash and the second it was made at, in its lower bits. */
#define SECOND_BITS 24
#define SECOND_MASK ((UINT64_C(1) << SECOND_BITS) - 1)

struct fast_names {
    _Atomic uint64_t places[PLACES]; /* 0: empty */
};

struct fast_names *fast_names_new(void)
{
    return mem_zalloc(sizeof(struct fast_names));
}

void fast_names_free(struct fast_names *names)
{
    free(names);
}

/* FNV-1a, of lower case. */
static uint64_t hash(const char *name)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        sum = (sum ^ (uint64_t)tolower((unsigned char)*name)) * UINT64_C(0x100000001b3);
    return sum;
}

void fast_names_add(struct fast_names *names, const char *name, uint64_t now_ms)
{
    uint64_t sum = hash(name);

    atomic_store_explicit(&names->places[sum % PLACES],
                          (sum & ~SECOND_MASK) | (now_ms / 1000 & SECOND_MASK),
                          memory_order_relaxed);
}

bool fast_names_has(const struct fast_names *names, const char *name, uint64_t now_ms)
{
    uint64_t sum = hash(name);
    uint64_t entry = atomic_load_explicit(&names->places[sum % PLACES], memory_order_relaxed);
    /* (Another thread's clock may be a little ahead.) */
    uint64_t age = (now_ms / 1000 + 1 - entry) & SECOND_MASK;

    return entry != 0 && (entry & ~SECOND_MASK) == (sum & ~SECOND_MASK) && age <= LIFETIME_S;
}

/* Stripes of tables. A key's stripe is one for all that is claimed by it. */
#include "shared/limit_counts.h"

#include "base/backoff.h"
#include "base/mem.h"

#include <stdlib.h>
#include <uv.h>

#define STRIPES 16

/* Entries that only remember something, in each stripe. */
#define IDLE_MAX 1024

struct stripe {
    uv_mutex_t lock;
    struct limit_table *table;
};

struct limit_counts {
    struct stripe stripes[STRIPES];
};

struct limit_counts *limit_counts_new(void)
{
    struct limit_counts *counts = mem_zalloc(sizeof(*counts));
    uint64_t seed = (uint64_t)backoff_random() << 32 | backoff_random();

    for (size_t i = 0; i < STRIPES; i++) {
        if (uv_mutex_init(&counts->stripes[i].lock) != 0)
            abort(); /* (of a process without memory) */
        counts->stripes[i].table = limit_table_new(seed, IDLE_MAX);
    }
    return counts;
}

void limit_counts_free(struct limit_counts *counts)
{
    if (counts == NULL)
        return;
    for (size_t i = 0; i < STRIPES; i++) {
        limit_table_free(counts->stripes[i].table);
        uv_mutex_destroy(&counts->stripes[i].lock);
    }
    free(counts);
}

/* (Any function of the key's bytes does.) */
static unsigned stripe_of(const struct limit_key *key)
{
    unsigned sum = 0;

    for (size_t i = 0; i < key->length; i++)
        sum = sum * 31 + key->bytes[i];
    return sum % STRIPES;
}

static struct stripe *lock_stripe(struct limit_counts *counts, unsigned index)
{
    struct stripe *stripe = &counts->stripes[index];

    uv_mutex_lock(&stripe->lock);
    return stripe;
}

struct limit_claim limit_claim_begin(struct limit_counts *counts, const struct limit_key *key)
{
    struct limit_claim claim = {.stripe = stripe_of(key)};
    struct stripe *stripe = lock_stripe(counts, claim.stripe);

    claim.entry = limit_entry_get(stripe->table, key);
    uv_mutex_unlock(&stripe->lock);
    return claim;
}

struct limit_claim limit_claim_again(struct limit_counts *counts, const struct limit_claim *claim)
{
    struct stripe *stripe = lock_stripe(counts, claim->stripe);

    limit_entry_ref(claim->entry);
    uv_mutex_unlock(&stripe->lock);
    return *claim;
}

void limit_claim_end(struct limit_counts *counts, struct limit_claim *claim, uint64_t now_ms)
{
    struct stripe *stripe;

    if (claim->entry == NULL)
        return;
    stripe = lock_stripe(counts, claim->stripe);
    limit_entry_put(stripe->table, claim->entry, now_ms);
    uv_mutex_unlock(&stripe->lock);
    *claim = (struct limit_claim){0};
}

bool limit_claim_is(struct limit_counts *counts, const struct limit_claim *claim,
                    const struct limit_key *key)
{
    (void)counts; /* (an entry's key never changes) */
    return claim->entry != NULL && limit_entry_is(claim->entry, key);
}

bool limit_claim_take(struct limit_counts *counts, const struct limit_claim *claim,
                      const struct limit_bounds *bounds, enum limit_what what)
{
    struct stripe *stripe = lock_stripe(counts, claim->stripe);
    bool taken = limit_entry_take(claim->entry, bounds, what);

    uv_mutex_unlock(&stripe->lock);
    return taken;
}

void limit_claim_give(struct limit_counts *counts, const struct limit_claim *claim,
                      enum limit_what what)
{
    struct stripe *stripe = lock_stripe(counts, claim->stripe);

    limit_entry_give(claim->entry, what);
    uv_mutex_unlock(&stripe->lock);
}

bool limit_claim_take_fresh(struct limit_counts *counts, const struct limit_claim *claim,
                            const struct limit_bounds *bounds, uint64_t now_ms)
{
    struct stripe *stripe;
    bool taken;

    if (bounds->fresh == 0)
        return true;
    stripe = lock_stripe(counts, claim->stripe);
    taken = limit_entry_take_fresh(claim->entry, bounds, now_ms);
    uv_mutex_unlock(&stripe->lock);
    return taken;
}

uint64_t limit_claim_reserve(struct limit_counts *counts, const struct limit_claim *claim,
                             const struct limit_bounds *bounds, int direction, size_t bytes,
                             uint64_t now_ms)
{
    struct stripe *stripe = lock_stripe(counts, claim->stripe);
    uint64_t wait = limit_entry_reserve(claim->entry, bounds, direction, bytes, now_ms);

    uv_mutex_unlock(&stripe->lock);
    return wait;
}

void limit_claim_return(struct limit_counts *counts, const struct limit_claim *claim,
                        const struct limit_bounds *bounds, int direction, size_t bytes)
{
    struct stripe *stripe = lock_stripe(counts, claim->stripe);

    limit_entry_return(claim->entry, bounds, direction, bytes);
    uv_mutex_unlock(&stripe->lock);
}

unsigned limit_claim_refused(struct limit_counts *counts, const struct limit_claim *claim,
                             uint64_t now_ms)
{
    struct stripe *stripe = lock_stripe(counts, claim->stripe);
    unsigned times = limit_entry_refused(claim->entry, now_ms);

    uv_mutex_unlock(&stripe->lock);
    return times;
}

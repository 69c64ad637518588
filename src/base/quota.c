/* Two counters: how many are taken, and how many references there are. */
#include "base/quota.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

struct quota {
    atomic_uint references;
    atomic_uint taken;
    unsigned max;
};

struct quota *quota_new(unsigned max)
{
    struct quota *quota = mem_zalloc(sizeof(*quota));

    quota->max = max;
    return quota_ref(quota);
}

struct quota *quota_ref(struct quota *quota)
{
    atomic_fetch_add(&quota->references, 1);
    return quota;
}

void quota_unref(struct quota *quota)
{
    if (quota != NULL && atomic_fetch_sub(&quota->references, 1) == 1)
        free(quota);
}

bool quota_take(struct quota *quota)
{
    unsigned taken = atomic_load(&quota->taken);

    do {
        if (taken >= quota->max)
            return false;
    } while (!atomic_compare_exchange_weak(&quota->taken, &taken, taken + 1));
    quota_ref(quota);
    return true;
}

void quota_give(struct quota *quota)
{
    if (quota == NULL)
        return;
    atomic_fetch_sub(&quota->taken, 1);
    quota_unref(quota);
}

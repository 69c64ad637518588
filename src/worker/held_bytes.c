/* How much is held in memory for clients that do not read what was sent to them, and which of them
 * are cut when that is too much (held_bytes): those of the source for which most is held. */
#include "worker/client_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "worker/http_exchange.h"

#include <stdlib.h>

/* How often a worker logs that it had to cut clients. */
#define CUT_TELL_MS 60000

struct holder {
    struct client *client;
    uint64_t source;
    uint64_t of_source; /* held for all of the source's clients */
    uint64_t held;
};

static uint64_t held_for(const struct client *c)
{
    if (c->relay != NULL)
        return relay_held(c->relay);
    return c->exchange != NULL ? http_exchange_held(c->exchange) + client_ahead_held(c) : 0;
}

static int by_source(const void *a, const void *b)
{
    const struct holder *one = a, *two = b;

    return (one->source > two->source) - (one->source < two->source);
}

/* The first is the first to be cut. */
static int by_most(const void *a, const void *b)
{
    const struct holder *one = a, *two = b;

    if (one->of_source != two->of_source)
        return one->of_source > two->of_source ? -1 : 1;
    return (one->held < two->held) - (one->held > two->held);
}

static void sum_sources(struct holder *holders, size_t count)
{
    size_t first = 0;

    qsort(holders, count, sizeof(*holders), by_source);
    for (size_t i = 0; i <= count; i++) {
        if (i < count && holders[i].source == holders[first].source) {
            holders[first].of_source += holders[i].held;
            continue;
        }
        for (size_t k = first + 1; k < i; k++)
            holders[k].of_source = holders[first].of_source;
        first = i;
        if (i < count)
            holders[i].of_source = holders[i].held;
    }
}

/* (Internal connections are not cut: a session may go by one.) */
static size_t find_holders(const struct worker *worker, struct holder *holders)
{
    struct client *c;
    size_t count = 0;

    TAILQ_FOREACH (c, &worker->clients, link) {
        uint64_t held = c->listen != NULL ? held_for(c) : 0;
        if (held > 0)
            holders[count++] =
                (struct holder){.client = c, .source = client_source_hash(c), .held = held};
    }
    return count;
}

static void tell_cut(struct worker *worker, unsigned cut)
{
    uint64_t now = loop_now(worker->loop);
    char most[SIZE_TEXT_MAX];

    metric_add(&worker->metrics.limited, cut);
    metric_add(&worker->label_counts->refused[LABEL_NONE][LABEL_BOUND_HELD_BYTES], cut);
    worker->held_cut += cut;
    if (worker->held_told_at != 0 && now - worker->held_told_at < CUT_TELL_MS)
        return;
    log_warning("held_bytes: more than %s was held for clients that do not read: %u connection%s "
                "cut since that was logged last",
                size_format(atomic_load(&worker->workers->held_max), most), worker->held_cut,
                worker->held_cut == 1 ? "" : "s");
    worker->held_told_at = now;
    worker->held_cut = 0;
}

static void cut_holders(struct worker *worker, size_t clients, uint64_t to_free)
{
    struct holder *holders = mem_zalloc(clients * sizeof(*holders));
    size_t count = find_holders(worker, holders);
    uint64_t freed = 0;
    unsigned cut = 0;

    sum_sources(holders, count);
    qsort(holders, count, sizeof(*holders), by_most);
    for (size_t i = 0; i < count && freed < to_free; i++) {
        freed += holders[i].held;
        cut++;
        client_abort(holders[i].client, "it did not read, and too much was held (held_bytes)");
    }
    free(holders);
    if (cut > 0)
        tell_cut(worker, cut);
}

void worker_check_held(struct worker *worker)
{
    struct workers *workers = worker->workers;
    uint64_t most = atomic_load(&workers->held_max);
    uint64_t own = 0, all = 0;
    size_t clients = 0;
    struct client *c;

    TAILQ_FOREACH (c, &worker->clients, link) {
        own += held_for(c);
        clients++;
    }
    atomic_store(&worker->held, own);
    for (unsigned i = 0; i < workers->count; i++)
        all += atomic_load(&workers->all[i]->held);
    /* (Each worker cuts its part.) */
    if (most != 0 && all > most && own > 0)
        cut_holders(worker, clients, (uint64_t)((__uint128_t)(all - most) * own / all) + 1);
}

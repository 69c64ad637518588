/* Of /metrics: upstreams and their sessions. */
#include "gateway/metrics_parts.h"

#include "session/post_quantum.h"

#include <string.h>

static void put_states(const struct gateway *g, struct exposition *page, enum metric_family family)
{
    exposition_family(page, family);
    for (size_t i = 0; i < g->pool_count; i++) {
        const char *name = pool_upstream(g->pools[i])->name;
        struct pool_state state;
        pool_state(g->pools[i], &state);
        if (family == FAMILY_UPSTREAM_UP)
            exposition_count(page, LABELS(name), state.up > 0);
        else
            exposition_count(page, LABELS(name), state.waiting);
    }
}

static void put_sessions(const struct gateway *g, struct exposition *page)
{
    exposition_family(page, FAMILY_SESSIONS);
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct session_table *table = pool_table(g->pools[i]);
        unsigned counts[SLOT_RETIRING + 1] = {0};
        for (int slot = 0; slot < atomic_load(&table->used); slot++)
            counts[session_table_slot_state(table, slot)]++;
        for (enum slot_state s = SLOT_DIALLING; s <= SLOT_RETIRING; s++)
            exposition_count(page, LABELS(pool_upstream(g->pools[i])->name, slot_state_name(s)),
                             counts[s]);
    }
}

static void put_channels(const struct gateway *g, struct exposition *page)
{
    exposition_family(page, FAMILY_CHANNELS);
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct session_table *table = pool_table(g->pools[i]);
        uint64_t channels = 0;
        for (int slot = 0; slot < atomic_load(&table->used); slot++)
            channels += atomic_load(&table->slots[slot].channels);
        exposition_count(page, LABELS(pool_upstream(g->pools[i])->name), channels);
    }
}

/* (What an ssh has agreed that was joined, it does not tell.) */
static bool has_info(const struct pool_session *session)
{
    return session->info != NULL && session->info->kex[0] != '\0';
}

/* Whether a session before `slot` has the same algorithms: a sample is written once. */
static bool info_is_there(const struct pool *pool, int slot, const struct connection_info *info)
{
    struct pool_session session;

    for (int i = 0; i < slot; i++)
        if (pool_session(pool, i, &session) && has_info(&session) &&
            strcmp(session.info->kex, info->kex) == 0 &&
            strcmp(session.info->cipher_out, info->cipher_out) == 0)
            return true;
    return false;
}

static void put_session_info(const struct gateway *g, struct exposition *page)
{
    exposition_family(page, FAMILY_SESSION_INFO);
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct pool *pool = g->pools[i];
        struct pool_session session;
        for (int slot = 0; slot < atomic_load(&pool_table(pool)->used); slot++)
            if (pool_session(pool, slot, &session) && has_info(&session) &&
                !info_is_there(pool, slot, session.info))
                exposition_count(page,
                                 LABELS(pool_upstream(pool)->name, session.info->kex,
                                        session.info->cipher_out,
                                        kex_is_post_quantum(session.info->kex) ? "yes" : "no"),
                                 1);
    }
}

static void put_lost(const struct gateway *g, struct exposition *page)
{
    const struct label_names *names = g->workers.labels;

    exposition_family(page, FAMILY_SESSIONS_LOST);
    for (unsigned u = 1; u < label_upstreams(names); u++)
        exposition_count(page, LABELS(label_upstream_name(names, u)),
                         metric_get(&g->room.by_upstream[u].lost));
}

static void put_dials(const struct gateway *g, struct exposition *page)
{
    const struct label_names *names = g->workers.labels;

    exposition_family(page, FAMILY_DIALS);
    for (unsigned u = 1; u < label_upstreams(names); u++) {
        const char *name = label_upstream_name(names, u);
        const struct upstream_counts *counts = &g->room.by_upstream[u];
        for (enum dial_status s = DIAL_OK; s < DIAL_STATUSES; s++)
            exposition_count(page, LABELS(name, dial_status_name(s)),
                             metric_get(&counts->dials[s]));
        exposition_count(page, LABELS(name, "unreachable"), metric_get(&counts->unreachable));
    }
}

static void put_certificates(const struct gateway *g, struct exposition *page)
{
    const struct label_names *names = g->workers.labels;

    exposition_family(page, FAMILY_CERTIFICATE);
    for (unsigned u = 1; u < label_upstreams(names); u++) {
        uint64_t until = metric_get(&g->room.by_upstream[u].certificate_until);
        if (until > 0)
            exposition_count(page, LABELS(label_upstream_name(names, u)), until);
    }
}

/* Times. */

static void add_times(struct worker *worker, unsigned upstream, enum upstream_time which,
                      uint64_t counts[static HISTOGRAM_BUCKETS], uint64_t *sum_ms)
{
    struct upstream_times *times = atomic_load_explicit(
        &worker_label_counts(worker)->upstreams[upstream], memory_order_acquire);

    if (times == NULL)
        return;
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
        counts[b] += metric_get(&times->of[which].buckets[b]);
    *sum_ms += metric_get(&times->of[which].sum_ms);
}

static void put_times(const struct gateway *g, struct exposition *page, enum metric_family family,
                      enum upstream_time which)
{
    static const uint64_t bounds[] = HISTOGRAM_BOUNDS;
    const struct label_names *names = g->workers.labels;

    exposition_family(page, family);
    for (unsigned u = 1; u < label_upstreams(names); u++) {
        uint64_t counts[HISTOGRAM_BUCKETS] = {0}, sum_ms = 0;
        for (unsigned i = 0; i < g->workers.count; i++)
            add_times(g->workers.all[i], u, which, counts, &sum_ms);
        exposition_histogram(
            page, LABELS(label_upstream_name(names, u)),
            &(struct exposed_histogram){bounds, HISTOGRAM_BUCKETS - 1, counts, sum_ms});
    }
}

void metrics_put_upstreams(const struct gateway *g, struct exposition *page)
{
    put_states(g, page, FAMILY_UPSTREAM_UP);
    put_sessions(g, page);
    put_session_info(g, page);
    put_lost(g, page);
    put_channels(g, page);
    put_dials(g, page);
    put_certificates(g, page);
    put_states(g, page, FAMILY_WAITING);
    put_times(g, page, FAMILY_CHANNEL_OPEN, UPSTREAM_TIME_OPEN);
    put_times(g, page, FAMILY_HOLD, UPSTREAM_TIME_HOLD);
    put_times(g, page, FAMILY_KEEPALIVE, UPSTREAM_TIME_KEEPALIVE);
}

/* What /metrics shows, family by family. */
#include "gateway/metrics_page.h"

#include "base/mem.h"
#include "conf/forward_spec.h"
#include "gateway/gateway_parts.h"
#include "gateway/process_figures.h"
#include "gateway/readiness.h"
#include "gateway/snapshot.h"
#include "session/post_quantum.h"

#include <stdlib.h>
#include <string.h>

#define LABELS(...) ((const char *const[]){__VA_ARGS__})

static void put_one(struct exposition *page, enum metric_family family, uint64_t value)
{
    exposition_family(page, family);
    exposition_count(page, NULL, value);
}

static const char *const directions[2] = {"up", "down"};

/* By listener, over all workers. */

struct listener_sums {
    uint64_t began;
    uint64_t open;
    uint64_t bytes[2];
};

/* (A connection that moved has begun on one worker and ended on another, whose counters are read at
 * different moments.) */
static struct listener_sums listener_sums(const struct gateway *g, unsigned listener)
{
    struct listener_sums sums = {0};
    uint64_t ended = 0;

    for (unsigned i = 0; i < g->workers.count; i++) {
        struct listener_counts *counts =
            &worker_label_counts(g->workers.all[i])->listeners[listener];
        ended += metric_get(&counts->ended);
        for (int d = 0; d < 2; d++)
            sums.bytes[d] += metric_get(&counts->bytes[d]);
    }
    for (unsigned i = 0; i < g->workers.count; i++)
        sums.began +=
            metric_get(&worker_label_counts(g->workers.all[i])->listeners[listener].began);
    sums.open = sums.began > ended ? sums.began - ended : 0;
    return sums;
}

static void put_listeners(const struct gateway *g, struct exposition *page)
{
    const struct label_names *names = g->workers.labels;
    unsigned count = label_listeners(names);
    struct listener_sums *sums = mem_zalloc(count * sizeof(*sums));

    for (unsigned l = 1; l < count; l++)
        sums[l] = listener_sums(g, l);
    exposition_family(page, FAMILY_CONNECTIONS);
    for (unsigned l = 1; l < count; l++)
        exposition_count(page, LABELS(label_listener_name(names, l)), sums[l].open);
    exposition_family(page, FAMILY_ACCEPTED);
    for (unsigned l = 1; l < count; l++)
        exposition_count(page, LABELS(label_listener_name(names, l)), sums[l].began);
    free(sums);
}

static void put_client_bytes(const struct gateway *g, struct exposition *page)
{
    const struct label_names *names = g->workers.labels;

    exposition_family(page, FAMILY_CLIENT_BYTES);
    for (unsigned l = 1; l < label_listeners(names); l++) {
        struct listener_sums sums = listener_sums(g, l);
        for (int d = 0; d < 2; d++)
            exposition_count(page, LABELS(label_listener_name(names, l), directions[d]),
                             sums.bytes[d]);
    }
}

/* Requests. */

static bool sum_requests(const struct gateway *g, unsigned listener, unsigned upstream,
                         uint64_t sums[LABEL_PROTOCOLS][OUTCOMES])
{
    bool any = false;

    memset(sums, 0, LABEL_PROTOCOLS * sizeof(sums[0]));
    for (unsigned i = 0; i < g->workers.count; i++) {
        struct request_counts *counts = atomic_load_explicit(
            &worker_label_counts(g->workers.all[i])->requests[listener][upstream],
            memory_order_acquire);
        if (counts == NULL)
            continue;
        any = true;
        for (int p = 0; p < LABEL_PROTOCOLS; p++)
            for (int o = 0; o < OUTCOMES; o++)
                sums[p][o] += metric_get(&counts->requests[p][o]);
    }
    return any;
}

static void put_requests_of(const struct gateway *g, struct exposition *page, unsigned listener,
                            unsigned upstream)
{
    static const char *const protocols[LABEL_PROTOCOLS] = {
        [LABEL_SOCKS5] = "socks5",   [LABEL_SOCKS4] = "socks4",   [LABEL_HTTP] = "http",
        [LABEL_FORWARD] = "forward", [LABEL_UNKNOWN] = "unknown",
    };
    const struct label_names *names = g->workers.labels;
    uint64_t sums[LABEL_PROTOCOLS][OUTCOMES];

    if (!sum_requests(g, listener, upstream, sums))
        return;
    for (int p = 0; p < LABEL_PROTOCOLS; p++)
        for (int o = 0; o < OUTCOMES; o++)
            if (sums[p][o] > 0)
                exposition_count(page,
                                 LABELS(label_listener_name(names, listener),
                                        label_upstream_name(names, upstream), protocols[p],
                                        outcome_row((enum outcome)o)->name),
                                 sums[p][o]);
}

static void put_requests(const struct gateway *g, struct exposition *page)
{
    const struct label_names *names = g->workers.labels;

    exposition_family(page, FAMILY_REQUESTS);
    for (unsigned l = 1; l < label_listeners(names); l++)
        for (unsigned u = 0; u < label_upstreams(names); u++)
            put_requests_of(g, page, l, u);
}

/* Limits. */

static void put_limited_of(const struct gateway *g, struct exposition *page, unsigned limit)
{
    const char *name = label_limit_name(g->workers.labels, limit);
    unsigned first = limit == LABEL_NONE ? LABEL_BOUNDS_OF_LIMIT : 0;
    unsigned end = limit == LABEL_NONE ? LABEL_BOUNDS : LABEL_BOUNDS_OF_LIMIT;

    for (unsigned bound = first; bound < end; bound++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < g->workers.count; i++)
            sum += metric_get(&worker_label_counts(g->workers.all[i])->refused[limit][bound]);
        exposition_count(page, LABELS(name, label_bound_name(bound)), sum);
    }
}

static void put_limits(const struct gateway *g, struct exposition *page)
{
    uint64_t held_max = atomic_load(&g->workers.held_max), held = 0;

    exposition_family(page, FAMILY_LIMITED);
    for (unsigned limit = LABEL_NONE; limit < label_limits(g->workers.labels); limit++)
        put_limited_of(g, page, limit);
    for (unsigned i = 0; i < g->workers.count; i++)
        held += worker_held(g->workers.all[i]);
    put_one(page, FAMILY_HELD, held);
    if (held_max > 0)
        put_one(page, FAMILY_HELD_MAX, held_max);
}

/* Users: each worker has its own list of names. */

struct user_sum {
    const char *name;
    uint64_t requests;
    uint64_t bytes[2];
};

static size_t sum_users(const struct gateway *g, struct user_sum *sums, size_t most)
{
    size_t count = 0;

    for (unsigned i = 0; i < g->workers.count; i++) {
        struct label_counts *counts = worker_label_counts(g->workers.all[i]);
        unsigned users = atomic_load_explicit(&counts->user_count, memory_order_acquire);
        for (unsigned u = 0; u < users; u++) {
            size_t at = 0;
            while (at < count && strcmp(sums[at].name, counts->users[u].name) != 0)
                at++;
            if (at == most)
                break;
            count = at == count ? count + 1 : count;
            sums[at].name = counts->users[u].name;
            sums[at].requests += metric_get(&counts->users[u].requests);
            for (int d = 0; d < 2; d++)
                sums[at].bytes[d] += metric_get(&counts->users[u].bytes[d]);
        }
    }
    return count;
}

static void put_users(const struct gateway *g, struct exposition *page)
{
    size_t most = (size_t)LABEL_USERS * g->workers.count, count;
    struct user_sum *sums;

    if (!g->generation->config->status.metrics_users)
        return;
    sums = mem_zalloc(most * sizeof(*sums));
    count = sum_users(g, sums, most);
    exposition_family(page, FAMILY_USER_REQUESTS);
    for (size_t i = 0; i < count; i++)
        exposition_count(page, LABELS(sums[i].name), sums[i].requests);
    exposition_family(page, FAMILY_USER_BYTES);
    for (size_t i = 0; i < count; i++)
        for (int d = 0; d < 2; d++)
            exposition_count(page, LABELS(sums[i].name, directions[d]), sums[i].bytes[d]);
    free(sums);
}

/* Upstreams and their sessions. */

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

/* Whether a session before `slot` has the same algorithms: a sample is written once. */
static bool info_is_there(const struct pool *pool, int slot, const struct connection_info *info)
{
    struct pool_session session;

    for (int i = 0; i < slot; i++)
        if (pool_session(pool, i, &session) && session.info != NULL &&
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
            if (pool_session(pool, slot, &session) && session.info != NULL &&
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

static void put_times(const struct gateway *g, struct exposition *page, enum metric_family family,
                      size_t offset)
{
    static const uint64_t bounds[] = HISTOGRAM_BOUNDS;
    const struct label_names *names = g->workers.labels;

    exposition_family(page, family);
    for (unsigned u = 1; u < label_upstreams(names); u++) {
        uint64_t counts[HISTOGRAM_BUCKETS] = {0}, sum_ms = 0;
        for (unsigned i = 0; i < g->workers.count; i++) {
            struct upstream_times *times = atomic_load_explicit(
                &worker_label_counts(g->workers.all[i])->upstreams[u], memory_order_acquire);
            if (times == NULL)
                continue;
            const struct histogram *h = (const void *)((const char *)times + offset);
            for (int b = 0; b < HISTOGRAM_BUCKETS; b++)
                counts[b] += metric_get(&h->buckets[b]);
            sum_ms += metric_get(&h->sum_ms);
        }
        exposition_histogram(
            page, LABELS(label_upstream_name(names, u)),
            &(struct exposed_histogram){bounds, HISTOGRAM_BUCKETS - 1, counts, sum_ms});
    }
}

/* The rest. */

static void put_forwards(const struct gateway *g, struct exposition *page)
{
    const struct config *config = g->generation->config;

    exposition_family(page, FAMILY_FORWARD_UP);
    for (size_t i = 0; i < config->forward_count; i++) {
        const struct config_forward *forward = &config->forwards[i];
        struct forward_status status;
        status_forward(g, forward, &status);
        exposition_count(page, LABELS(forward->name, forward_kinds[forward->kind]),
                         status.state == FORWARD_UP);
    }
}

static void put_names(struct exposition *page, const struct metrics *sum)
{
    const struct {
        const char *result;
        const metric *count;
    } results[] = {{"found", &sum->names_found},
                   {"missing", &sum->names_missing},
                   {"failed", &sum->names_failed},
                   {"timed-out", &sum->names_timed_out}};

    exposition_family(page, FAMILY_NAMES);
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        exposition_count(page, LABELS(results[i].result), metric_get(results[i].count));
    put_one(page, FAMILY_NAMES_CACHED, metric_get(&sum->names_cached));
    put_one(page, FAMILY_NAMES_ASKED, metric_get(&sum->names_asked));
}

static void put_process(struct exposition *page)
{
    struct process_figures figures;

    process_figures_read(&figures);
    exposition_family(page, FAMILY_PROCESS_CPU);
    exposition_real(page, NULL, figures.cpu_seconds);
    exposition_family(page, FAMILY_PROCESS_START);
    exposition_real(page, NULL, figures.start_seconds);
    exposition_family(page, FAMILY_PROCESS_RESIDENT);
    exposition_count(page, NULL, figures.resident_bytes);
    exposition_family(page, FAMILY_PROCESS_VIRTUAL);
    exposition_count(page, NULL, figures.virtual_bytes);
    exposition_family(page, FAMILY_PROCESS_FDS);
    if (figures.descriptors > 0)
        exposition_count(page, NULL, figures.descriptors);
    exposition_family(page, FAMILY_PROCESS_FDS_MAX);
    exposition_count(page, NULL, figures.descriptors_max);
}

void metrics_page_write(const struct gateway *g, struct exposition *page)
{
    struct metrics sum = {0};
    char *why = gateway_unready(g);

    status_metrics(g, &sum);
    exposition_family(page, FAMILY_BUILD);
    exposition_count(page, LABELS(PACKAGE_VERSION), 1);
    put_one(page, FAMILY_READY, why == NULL);
    free(why);
    put_listeners(g, page);
    put_requests(g, page);
    put_client_bytes(g, page);
    put_limits(g, page);
    put_users(g, page);
    put_states(g, page, FAMILY_UPSTREAM_UP);
    put_sessions(g, page);
    put_session_info(g, page);
    put_lost(g, page);
    put_channels(g, page);
    put_dials(g, page);
    put_certificates(g, page);
    put_states(g, page, FAMILY_WAITING);
    put_times(g, page, FAMILY_CHANNEL_OPEN, offsetof(struct upstream_times, open));
    put_times(g, page, FAMILY_HOLD, offsetof(struct upstream_times, hold));
    put_times(g, page, FAMILY_KEEPALIVE, offsetof(struct upstream_times, keepalive));
    put_forwards(g, page);
    put_names(page, &sum);
    put_process(page);
}

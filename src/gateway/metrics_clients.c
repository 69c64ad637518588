/* Of /metrics: connections, requests, limits and users. */
#include "gateway/metrics_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

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

/* What the families about listeners show, one for each label; the caller frees. */
static struct listener_sums *sum_listeners(const struct gateway *g)
{
    unsigned count = label_listeners(g->workers.labels);
    struct listener_sums *sums = mem_zalloc(count * sizeof(*sums));

    for (unsigned l = 1; l < count; l++)
        sums[l] = listener_sums(g, l);
    return sums;
}

static void put_connections(const struct gateway *g, struct exposition *page,
                            const struct listener_sums *sums)
{
    const struct label_names *names = g->workers.labels;

    exposition_family(page, FAMILY_CONNECTIONS);
    for (unsigned l = 1; l < label_listeners(names); l++)
        exposition_count(page, LABELS(label_listener_name(names, l)), sums[l].open);
    exposition_family(page, FAMILY_ACCEPTED);
    for (unsigned l = 1; l < label_listeners(names); l++)
        exposition_count(page, LABELS(label_listener_name(names, l)), sums[l].began);
}

static void put_client_bytes(const struct gateway *g, struct exposition *page,
                             const struct listener_sums *sums)
{
    const struct label_names *names = g->workers.labels;

    exposition_family(page, FAMILY_CLIENT_BYTES);
    for (unsigned l = 1; l < label_listeners(names); l++)
        for (int d = 0; d < 2; d++)
            exposition_count(page, LABELS(label_listener_name(names, l), directions[d]),
                             sums[l].bytes[d]);
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

static int by_user(const void *a, const void *b)
{
    return strcmp(((const struct user_sum *)a)->name, ((const struct user_sum *)b)->name);
}

/* Those of all workers, a name as often as there are workers that know it. */
static size_t list_users(const struct gateway *g, struct user_sum *users)
{
    size_t count = 0;

    for (unsigned i = 0; i < g->workers.count; i++) {
        struct label_counts *counts = worker_label_counts(g->workers.all[i]);
        unsigned known = atomic_load_explicit(&counts->user_count, memory_order_acquire);
        for (unsigned u = 0; u < known; u++)
            users[count++] = (struct user_sum){
                .name = counts->users[u].name,
                .requests = metric_get(&counts->users[u].requests),
                .bytes = {metric_get(&counts->users[u].bytes[0]),
                          metric_get(&counts->users[u].bytes[1])},
            };
    }
    return count;
}

/* Makes one of those of the same name. Returns how many there are then. */
static size_t merge_users(struct user_sum *users, size_t listed)
{
    size_t count = 0;

    qsort(users, listed, sizeof(*users), by_user);
    for (size_t i = 0; i < listed; i++) {
        if (count == 0 || strcmp(users[count - 1].name, users[i].name) != 0) {
            users[count++] = users[i];
            continue;
        }
        users[count - 1].requests += users[i].requests;
        for (int d = 0; d < 2; d++)
            users[count - 1].bytes[d] += users[i].bytes[d];
    }
    return count;
}

static void put_users(const struct gateway *g, struct exposition *page)
{
    struct user_sum *users;
    size_t count;

    if (!g->generation->config->status.metrics_users)
        return;
    users = mem_zalloc((size_t)LABEL_USERS * g->workers.count * sizeof(*users));
    count = merge_users(users, list_users(g, users));
    exposition_family(page, FAMILY_USER_REQUESTS);
    for (size_t i = 0; i < count; i++)
        exposition_count(page, LABELS(users[i].name), users[i].requests);
    exposition_family(page, FAMILY_USER_BYTES);
    for (size_t i = 0; i < count; i++)
        for (int d = 0; d < 2; d++)
            exposition_count(page, LABELS(users[i].name, directions[d]), users[i].bytes[d]);
    free(users);
}

void metrics_put_clients(const struct gateway *g, struct exposition *page)
{
    struct listener_sums *sums = sum_listeners(g);

    put_connections(g, page, sums);
    put_requests(g, page);
    put_client_bytes(g, page, sums);
    put_limits(g, page);
    put_users(g, page);
    free(sums);
}

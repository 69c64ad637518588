/* Counters with labels. */
#include "shared/label_counts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char others[] = "(others)";

/* Names, each at its number. */
struct label_list {
    char **names;
    unsigned count;
    unsigned most;
};

struct label_names {
    struct label_list listeners;
    struct label_list upstreams;
    struct label_list limits;
};

static unsigned label_list_find(struct label_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0)
            return i;
    if (list->count == list->most)
        return list->most - 1;
    if (list->count + 1 == list->most)
        name = others;
    list->names[list->count] = mem_strdup(name);
    return list->count++;
}

static void label_list_init(struct label_list *list, unsigned most)
{
    list->names = mem_zalloc(most * sizeof(char *));
    list->most = most;
    label_list_find(list, ""); /* LABEL_NONE */
}

static void label_list_clear(struct label_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}

struct label_names *label_names_new(void)
{
    struct label_names *names = mem_zalloc(sizeof(*names));

    label_list_init(&names->listeners, LABEL_LISTENERS);
    label_list_init(&names->upstreams, LABEL_UPSTREAMS);
    label_list_init(&names->limits, LABEL_LIMITS);
    return names;
}

void label_names_free(struct label_names *names)
{
    if (names == NULL)
        return;
    label_list_clear(&names->listeners);
    label_list_clear(&names->upstreams);
    label_list_clear(&names->limits);
    free(names);
}

uint16_t label_of_listener(struct label_names *names, const char *name)
{
    return names != NULL ? (uint16_t)label_list_find(&names->listeners, name) : LABEL_NONE;
}

uint16_t label_of_upstream(struct label_names *names, const char *name)
{
    return names != NULL ? (uint16_t)label_list_find(&names->upstreams, name) : LABEL_NONE;
}

uint16_t label_of_limit(struct label_names *names, const char *name)
{
    return names != NULL ? (uint16_t)label_list_find(&names->limits, name) : LABEL_NONE;
}

unsigned label_listeners(const struct label_names *names)
{
    return names->listeners.count;
}

unsigned label_upstreams(const struct label_names *names)
{
    return names->upstreams.count;
}

unsigned label_limits(const struct label_names *names)
{
    return names->limits.count;
}

const char *label_listener_name(const struct label_names *names, unsigned listener)
{
    return names->listeners.names[listener];
}

const char *label_upstream_name(const struct label_names *names, unsigned upstream)
{
    return names->upstreams.names[upstream];
}

const char *label_limit_name(const struct label_names *names, unsigned limit)
{
    return names->limits.names[limit];
}

const char *label_bound_name(unsigned bound)
{
    static const char *const names[LABEL_BOUNDS] = {
        [LIMIT_CONNECTIONS] = "connections",
        [LIMIT_BEFORE_LOGIN] = "before_login",
        [LIMIT_OPENS] = "opens",
        [LABEL_BOUND_NEW] = "new",
        [LABEL_BOUND_MAX_CONNECTIONS] = "max_connections",
        [LABEL_BOUND_HELD_BYTES] = "held_bytes",
    };

    return names[bound];
}

/* Counting. */

static void histogram_note(struct histogram *histogram, uint64_t milliseconds)
{
    static const uint64_t bounds[] = HISTOGRAM_BOUNDS;
    size_t bucket = 0;

    _Static_assert(sizeof(bounds) / sizeof(bounds[0]) + 1 == HISTOGRAM_BUCKETS,
                   "a bucket for each bound, and one beyond");
    while (bucket < HISTOGRAM_BUCKETS - 1 && milliseconds > bounds[bucket])
        bucket++;
    metric_add(&histogram->buckets[bucket], 1);
    metric_add(&histogram->sum_ms, milliseconds);
}

struct label_counts *label_counts_new(void)
{
    return mem_zalloc(sizeof(struct label_counts));
}

void label_counts_free(struct label_counts *counts)
{
    if (counts == NULL)
        return;
    for (size_t l = 0; l < LABEL_LISTENERS; l++)
        for (size_t u = 0; u < LABEL_UPSTREAMS; u++)
            free(atomic_load_explicit(&counts->requests[l][u], memory_order_relaxed));
    for (size_t u = 0; u < LABEL_UPSTREAMS; u++)
        free(atomic_load_explicit(&counts->upstreams[u], memory_order_relaxed));
    for (size_t i = 0; i < atomic_load(&counts->user_count); i++)
        free(counts->users[i].name);
    free(counts);
}

static struct upstream_times *times_of(struct label_counts *counts, uint16_t upstream)
{
    struct upstream_times *times =
        atomic_load_explicit(&counts->upstreams[upstream], memory_order_relaxed);

    if (times == NULL) {
        times = mem_zalloc(sizeof(*times));
        /* (Who finds it finds it zeroed.) */
        atomic_store_explicit(&counts->upstreams[upstream], times, memory_order_release);
    }
    return times;
}

void label_counts_time(struct label_counts *counts, uint16_t upstream, enum upstream_time which,
                       uint64_t milliseconds)
{
    histogram_note(&times_of(counts, upstream)->of[which], milliseconds);
}

static struct request_counts *requests_of(struct label_counts *counts, uint16_t listener,
                                          uint16_t upstream)
{
    struct request_counts *requests =
        atomic_load_explicit(&counts->requests[listener][upstream], memory_order_relaxed);

    if (requests == NULL) {
        requests = mem_zalloc(sizeof(*requests));
        atomic_store_explicit(&counts->requests[listener][upstream], requests,
                              memory_order_release);
    }
    return requests;
}

static struct user_counts *user_of(struct label_counts *counts, const char *name)
{
    unsigned count = atomic_load_explicit(&counts->user_count, memory_order_relaxed);

    for (unsigned i = 0; i < count; i++)
        if (strcmp(counts->users[i].name, name) == 0)
            return &counts->users[i];
    if (count == LABEL_USERS)
        return &counts->users[LABEL_USERS - 1];
    counts->users[count].name = mem_strdup(count + 1 == LABEL_USERS ? others : name);
    atomic_store_explicit(&counts->user_count, count + 1, memory_order_release);
    return &counts->users[count];
}

void label_counts_request(struct label_counts *counts, const struct counted_request *request)
{
    struct request_counts *requests = requests_of(counts, request->listener, request->upstream);
    struct listener_counts *listener = &counts->listeners[request->listener];

    metric_add(&requests->requests[request->protocol][request->outcome], 1);
    for (int i = 0; i < 2; i++)
        metric_add(&listener->bytes[i], request->bytes[i]);
    if (request->user != NULL) {
        struct user_counts *user = user_of(counts, request->user);
        metric_add(&user->requests, 1);
        for (int i = 0; i < 2; i++)
            metric_add(&user->bytes[i], request->bytes[i]);
    }
}

/* Sums and lines of the counters. */
#include "gateway/metrics.h"

#include "base/log.h"

#include <stddef.h>

/* A set is nothing but metrics, so it can be walked as an array. */
#define METRICS (sizeof(struct metrics) / sizeof(metric))
_Static_assert(METRICS * sizeof(metric) == sizeof(struct metrics), "a set holds only metrics");

void metrics_sum(struct metrics *sum, const struct metrics *part)
{
    metric *to = (metric *)sum;
    const metric *from = (const metric *)part;

    for (size_t i = 0; i < METRICS; i++)
        metric_add(&to[i], metric_get(&from[i]));
}

#define LINE_FIELDS 32

/* Fields of one line; zeroes are left out. */
struct line {
    struct log_field fields[LINE_FIELDS];
    size_t count;
};

static void put(struct line *line, const char *key, const metric *m)
{
    if (metric_get(m) > 0 && line->count < LINE_FIELDS)
        line->fields[line->count++] = LOG_NUMBER_FIELD(key, metric_get(m));
}

void metrics_log(const struct metrics *m)
{
    struct line connections = {0};
    struct line outcomes = {0};
    struct line upstreams = {0};

    put(&connections, "accepted", &m->accepted);
    put(&connections, "channels", &m->channels);
    put(&connections, "cut", &m->cut);
    put(&connections, "up", &m->bytes_up);
    put(&connections, "down", &m->bytes_down);
    put(&connections, "retries", &m->retries);
    put(&connections, "moves", &m->moves);
    for (enum outcome o = OUTCOME_OK; o < OUTCOMES; o++)
        put(&outcomes, outcome_row(o)->name, &m->outcomes[o]);
    put(&upstreams, "sessions_up", &m->sessions_up);
    put(&upstreams, "sessions_lost", &m->sessions_lost);
    put(&upstreams, "unreachable", &m->dials_unreachable);
    for (enum dial_status s = DIAL_OK; s < DIAL_STATUSES; s++)
        put(&upstreams, dial_status_name(s), &m->dials[s]);
    put(&upstreams, "names_found", &m->names_found);
    put(&upstreams, "names_missing", &m->names_missing);
    put(&upstreams, "names_failed", &m->names_failed);
    put(&upstreams, "names_cached", &m->names_cached);
    log_event(LOG_INFO, "connections so far", connections.fields, connections.count);
    log_event(LOG_INFO, "outcomes so far", outcomes.fields, outcomes.count);
    log_event(LOG_INFO, "dials and names so far", upstreams.fields, upstreams.count);
}

/* Sums of the counters, and their lines in the log. */
#include "shared/metrics.h"

#include "base/log.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* (The struct holds only metrics, so that it can be walked as an array.) */
#define METRICS (sizeof(struct metrics) / sizeof(metric))
_Static_assert(METRICS * sizeof(metric) == sizeof(struct metrics), "a set holds only metrics");

void metrics_sum(struct metrics *sum, const struct metrics *part)
{
    metric *to = (metric *)sum;
    const metric *from = (const metric *)part;

    for (size_t i = 0; i < METRICS; i++)
        metric_add(&to[i], metric_get(&from[i]));
}

void metrics_each(const struct metrics *m,
                  void (*each)(void *arg, const char *group, const char *name, uint64_t value),
                  void *arg)
{
    const struct {
        const char *name;
        const metric *metric;
    } connections[] =
        {
            {"accepted", &m->accepted}, {"channels", &m->channels}, {"cut", &m->cut},
            {"up", &m->bytes_up},       {"down", &m->bytes_down},   {"retries", &m->retries},
            {"moves", &m->moves},
        },
      upstreams[] = {
          {"sessions_up", &m->sessions_up},       {"sessions_lost", &m->sessions_lost},
          {"unreachable", &m->dials_unreachable}, {"names_found", &m->names_found},
          {"names_missing", &m->names_missing},   {"names_failed", &m->names_failed},
          {"names_cached", &m->names_cached},
      };

    for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++)
        each(arg, "connections", connections[i].name, metric_get(connections[i].metric));
    for (enum outcome o = OUTCOME_OK; o < OUTCOMES; o++)
        each(arg, "outcomes", outcome_row(o)->name, metric_get(&m->outcomes[o]));
    for (enum dial_status s = DIAL_OK; s < DIAL_STATUSES; s++)
        each(arg, "dials", dial_status_name(s), metric_get(&m->dials[s]));
    for (size_t i = 0; i < sizeof(upstreams) / sizeof(upstreams[0]); i++)
        each(arg, "upstreams", upstreams[i].name, metric_get(upstreams[i].metric));
}

#define LINE_FIELDS 32

/* The log line of one group. */
struct metrics_line {
    const char *group;
    struct log_field fields[LINE_FIELDS];
    size_t count;
};

static void log_metrics_line(struct metrics_line *line)
{
    char event[64];

    snprintf(event, sizeof(event), "%s so far", line->group);
    log_event(ADIT_LOG_INFO, event, line->fields, line->count);
    line->count = 0;
}

static void put_metric(void *arg, const char *group, const char *name, uint64_t value)
{
    struct metrics_line *line = arg;

    if (line->group != NULL && strcmp(line->group, group) != 0)
        log_metrics_line(line);
    line->group = group;
    if (value > 0 && line->count < LINE_FIELDS)
        line->fields[line->count++] = ADIT_LOG_NUMBER_FIELD(name, value);
}

void metrics_log(const struct metrics *m)
{
    struct metrics_line line = {0};

    metrics_each(m, put_metric, &line);
    log_metrics_line(&line);
}

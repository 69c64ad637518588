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

/* The counters that have no enum: those of clients, then those of upstreams. */
#define ROW(group_, name_, member, help_)                                                          \
    {                                                                                              \
        .group = (group_), .name = (name_), .offset = offsetof(struct metrics, member),            \
        .help = (help_)                                                                            \
    }
static const struct metric_row {
    const char *group;
    const char *name;
    size_t offset;
    const char *help;
} client_rows[] =
    {
        ROW("connections", "accepted", accepted,
            "Connections that listeners accepted, and those that came by remote forwards."),
        ROW("connections", "channels", channels, "Channels that servers opened for them."),
        ROW("connections", "limited", limited,
            "Connections and requests that were refused because there were too many."),
        ROW("connections", "cut", cut,
            "Connections that were relayed and did not end in order: one side was reset, the "
            "session was lost, idle_timeout, or the end of adit."),
        ROW("connections", "up", bytes_up, "Bytes that targets took from clients that have ended."),
        ROW("connections", "down", bytes_down,
            "Bytes that clients that have ended took from targets."),
        ROW("connections", "retries", retries,
            "Channels that were asked for again, as the session was lost before the answer."),
        ROW("connections", "moves", moves,
            "Clients that moved to the worker that has their session."),
},
  upstream_rows[] = {
      ROW("upstreams", "sessions_up", sessions_up, "Sessions that came up."),
      ROW("upstreams", "sessions_lost", sessions_lost,
          "Sessions that ended though they were needed."),
      ROW("upstreams", "unreachable", dials_unreachable,
          "Dials that found no address, or no connection."),
      ROW("upstreams", "names_found", names_found, "Names that adit looked up and found."),
      ROW("upstreams", "names_missing", names_missing, "Names that do not exist."),
      ROW("upstreams", "names_failed", names_failed, "Look-ups of names that failed."),
      ROW("upstreams", "names_timed_out", names_timed_out,
          "Look-ups of names that no DNS server answered in time."),
      ROW("upstreams", "names_cached", names_cached,
          "Names that were known from an earlier answer."),
      ROW("upstreams", "names_asked", names_asked, "Names that DNS servers were asked for."),
};

static const char *const dial_help[DIAL_STATUSES] = {
    [DIAL_OK] = "Logins that succeeded.",
    [DIAL_TRANSPORT] = "No SSH server answered, or the connection or the key exchange failed.",
    [DIAL_HOST_KEY] = "The host key is not known, or has changed.",
    [DIAL_AUTHENTICATION] = "The server took none of the ways to log in.",
};

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static uint64_t row_value(const struct metrics *m, const struct metric_row *row)
{
    return metric_get((const metric *)((const char *)m + row->offset));
}

void metrics_each(const struct metrics *m, metrics_each_fn *each, void *arg)
{
    for (size_t i = 0; i < ROWS(client_rows); i++)
        each(arg, client_rows[i].group, client_rows[i].name, row_value(m, &client_rows[i]));
    for (enum outcome o = OUTCOME_OK; o < OUTCOMES; o++)
        each(arg, "outcomes", outcome_row(o)->name, metric_get(&m->outcomes[o]));
    for (enum dial_status s = DIAL_OK; s < DIAL_STATUSES; s++)
        each(arg, "dials", dial_status_name(s), metric_get(&m->dials[s]));
    for (size_t i = 0; i < ROWS(upstream_rows); i++)
        each(arg, upstream_rows[i].group, upstream_rows[i].name, row_value(m, &upstream_rows[i]));
}

void metrics_describe(metrics_describe_fn *each, void *arg)
{
    for (size_t i = 0; i < ROWS(client_rows); i++)
        each(arg, client_rows[i].group, client_rows[i].name, client_rows[i].help);
    for (enum outcome o = OUTCOME_OK; o < OUTCOMES; o++)
        each(arg, "outcomes", outcome_row(o)->name, outcome_row(o)->cause);
    for (enum dial_status s = DIAL_OK; s < DIAL_STATUSES; s++)
        each(arg, "dials", dial_status_name(s), dial_help[s]);
    for (size_t i = 0; i < ROWS(upstream_rows); i++)
        each(arg, upstream_rows[i].group, upstream_rows[i].name, upstream_rows[i].help);
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

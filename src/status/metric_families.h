/* The one table of what /metrics shows: the page and its manual, adit-metrics(5), are made from it.
 */
#ifndef ADIT_STATUS_METRIC_FAMILIES_H
#define ADIT_STATUS_METRIC_FAMILIES_H

#include <stddef.h>

/* In the order of the page. */
enum metric_family {
    FAMILY_BUILD,
    FAMILY_READY,
    FAMILY_CONNECTIONS,
    FAMILY_ACCEPTED,
    FAMILY_REQUESTS,
    FAMILY_CLIENT_BYTES,
    FAMILY_LIMITED,
    FAMILY_HELD,
    FAMILY_HELD_MAX,
    FAMILY_USER_REQUESTS,
    FAMILY_USER_BYTES,
    FAMILY_UPSTREAM_UP,
    FAMILY_SESSIONS,
    FAMILY_SESSION_INFO,
    FAMILY_SESSIONS_LOST,
    FAMILY_CHANNELS,
    FAMILY_DIALS,
    FAMILY_CERTIFICATE,
    FAMILY_WAITING,
    FAMILY_CHANNEL_OPEN,
    FAMILY_HOLD,
    FAMILY_KEEPALIVE,
    FAMILY_FORWARD_UP,
    FAMILY_NAMES,
    FAMILY_NAMES_CACHED,
    FAMILY_NAMES_ASKED,
    FAMILY_PROCESS_CPU,
    FAMILY_PROCESS_START,
    FAMILY_PROCESS_RESIDENT,
    FAMILY_PROCESS_VIRTUAL,
    FAMILY_PROCESS_FDS,
    FAMILY_PROCESS_FDS_MAX,
    METRIC_FAMILIES,
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_LABELS_MAX 4

struct metric_family_row {
    const char *name; /* without the "_total" of a counter */
    enum metric_type type;
    const char *labels[METRIC_LABELS_MAX + 1]; /* NULL-terminated */
    const char *help;                          /* a sentence */
};

const struct metric_family_row *metric_family_row(enum metric_family family);

/* "counter", "gauge", "histogram". */
const char *metric_type_name(enum metric_type type);

#endif

/* What the page of [status] shows of the past: traffic of the last ten minutes, and the latest
 * failures of upstreams. Main thread only. */
#ifndef ADIT_GATEWAY_HISTORY_H
#define ADIT_GATEWAY_HISTORY_H

#include <jansson.h>
#include <stdint.h>

#define HISTORY_SAMPLES 121 /* ten minutes have 120 intervals */
#define HISTORY_MS 5000     /* between two */
#define HISTORY_FAILURES 20

/* Sums over the sessions that are there. */
struct history_sample {
    uint64_t connections; /* of clients, now */
    uint64_t bytes_in;    /* from the servers */
    uint64_t bytes_out;
};

struct history;
struct history *history_new(void);
/* NULL is fine. */
void history_free(struct history *history);

/* Whether the time has come for a sample; and one. `now_ms` is loop_now's. */
int history_is_due(const struct history *history, uint64_t now_ms);
void history_add(struct history *history, uint64_t now_ms, const struct history_sample *sample);

/* An upstream's dial has failed, or a session was lost. The same again only changes the time. NULL
 * for the history is fine (tests). */
void history_failure(struct history *history, uint64_t now_ms, const char *upstream,
                     const char *what);

/* {"seconds": between samples, "samples": [...], "failures": [the latest first]}; the caller's. */
json_t *history_json(const struct history *history, uint64_t now_ms);

#endif

/* Two rings: samples, and failures. */
#include "gateway/history.h"

#include "base/json_text.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct failure {
    uint64_t at_ms;
    char *upstream;
    char *what;
};

struct history {
    struct history_sample samples[HISTORY_SAMPLES];
    size_t count;
    size_t next; /* where the next sample goes */
    uint64_t sampled_ms;
    struct failure failures[HISTORY_FAILURES]; /* the latest first */
    size_t failure_count;
};

struct history *history_new(void)
{
    return mem_zalloc(sizeof(struct history));
}

static void failure_clear(struct failure *failure)
{
    free(failure->upstream);
    free(failure->what);
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->failure_count; i++)
        failure_clear(&h->failures[i]);
    free(h);
}

int history_is_due(const struct history *h, uint64_t now_ms)
{
    return h->count == 0 || now_ms - h->sampled_ms >= HISTORY_MS;
}

void history_add(struct history *h, uint64_t now_ms, const struct history_sample *sample)
{
    h->samples[h->next] = *sample;
    h->next = (h->next + 1) % HISTORY_SAMPLES;
    h->count += h->count < HISTORY_SAMPLES;
    h->sampled_ms = now_ms;
}

void history_failure(struct history *h, uint64_t now_ms, const char *upstream, const char *what)
{
    struct failure *first;

    if (h == NULL)
        return;
    first = &h->failures[0];
    if (h->failure_count > 0 && strcmp(first->upstream, upstream) == 0 &&
        strcmp(first->what, what) == 0) {
        first->at_ms = now_ms;
        return;
    }
    if (h->failure_count == HISTORY_FAILURES)
        failure_clear(&h->failures[--h->failure_count]);
    memmove(first + 1, first, h->failure_count * sizeof(*first));
    *first = (struct failure){now_ms, mem_strdup(upstream), mem_strdup(what)};
    h->failure_count++;
}

json_t *history_json(const struct history *h, uint64_t now_ms)
{
    json_t *samples = json_array(), *failures = json_array();

    for (size_t i = 0; i < h->count; i++) {
        const struct history_sample *s =
            &h->samples[(h->next + HISTORY_SAMPLES - h->count + i) % HISTORY_SAMPLES];
        json_array_append_new(samples, json_pack("{s:I, s:I, s:I}", "connections",
                                                 (json_int_t)s->connections, "bytes_in",
                                                 (json_int_t)s->bytes_in, "bytes_out",
                                                 (json_int_t)s->bytes_out));
    }
    for (size_t i = 0; i < h->failure_count; i++)
        json_array_append_new(failures,
                              json_pack("{s:I, s:o, s:o}", "seconds_ago",
                                        (json_int_t)((now_ms - h->failures[i].at_ms) / 1000),
                                        "upstream", json_text(h->failures[i].upstream), "what",
                                        json_text(h->failures[i].what)));
    return json_pack("{s:i, s:o, s:o}", "seconds", HISTORY_MS / 1000, "samples", samples,
                     "failures", failures);
}

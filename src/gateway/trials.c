/* Which hosts are tried, how many at a time, and what is reported of them in order. */
#include "gateway/trials.h"

#include "base/mem.h"
#include "gateway/host_trial.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Trials at a time. */
#define TRIALS_MAX 8

struct planned_trial {
    const struct config_upstream *upstream;
    size_t index;
    struct host_trial *trial; /* NULL: it has not begun, or it has ended */
    json_t *seen;             /* NULL: it has not ended */
};

struct trials {
    struct trials_request r;
    struct planned_trial *all;
    size_t count;
    size_t begun;
    size_t running;
    size_t reported;
    bool well;
};

static bool is_planned(const struct trials *t, const struct config_upstream *upstream)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->all[i].upstream == upstream)
            return true;
    return false;
}

/* Jump hosts go first: what is wrong with one is the reason for what is behind it. */
static void plan(struct trials *t, const struct config_upstream *upstream)
{
    size_t first;

    if (is_planned(t, upstream))
        return;
    if (upstream->jump.count > 0)
        plan(t, config_upstream(t->r.config, upstream->jump.items[0]));
    first = t->count;
    t->count += upstream->hosts.count;
    t->all = mem_realloc(t->all, t->count * sizeof(*t->all));
    for (size_t i = first; i < t->count; i++)
        t->all[i] = (struct planned_trial){.upstream = upstream, .index = i - first};
}

static void trials_free(struct trials *t)
{
    for (size_t i = 0; i < t->count; i++) {
        host_trial_cancel(t->all[i].trial);
        json_decref(t->all[i].seen);
    }
    config_unref(t->r.config);
    free(t->all);
    free(t);
}

static void report_in_order(struct trials *t)
{
    while (t->reported < t->count && t->all[t->reported].seen != NULL) {
        if (t->r.seen != NULL)
            t->r.seen(t->r.arg, t->all[t->reported].seen);
        t->reported++;
    }
}

static void finish_trials(struct trials *t)
{
    const struct trials_request r = t->r;
    json_t *tries = json_array();
    json_t *answer = json_pack("{s:b, s:b, s:o}", "ok", 1, "well", t->well, "tries", tries);

    for (size_t i = 0; i < t->count; i++)
        json_array_append(tries, t->all[i].seen);
    trials_free(t);
    r.done(r.arg, answer);
}

static void begin_trials(struct trials *t);

static void on_host_tried(void *arg, size_t number, json_t *seen)
{
    struct trials *t = arg;

    t->all[number].trial = NULL;
    t->all[number].seen = seen;
    t->well = t->well && json_is_true(json_object_get(seen, "ok"));
    t->running--;
    report_in_order(t);
    begin_trials(t);
    if (t->running == 0)
        finish_trials(t);
}

static void begin_trials(struct trials *t)
{
    for (; t->begun < t->count && t->running < TRIALS_MAX; t->begun++, t->running++)
        t->all[t->begun].trial = host_trial_start(&(struct host_trial_request){
            .room = t->r.room,
            .config = t->r.config,
            .upstream = t->all[t->begun].upstream,
            .index = t->all[t->begun].index,
            .target = t->r.target,
            .number = t->begun,
            .done = on_host_tried,
            .arg = t,
        });
}

const char *trials_unknown(const struct config *config, const struct string_list *upstreams)
{
    for (size_t i = 0; i < upstreams->count; i++)
        if (config_upstream(config, upstreams->items[i]) == NULL)
            return upstreams->items[i];
    return NULL;
}

struct trials *trials_start(const struct trials_request *request)
{
    struct trials *t = mem_zalloc(sizeof(*t));
    const struct config *config = request->config;

    assert(trials_unknown(config, request->upstreams) == NULL && "names were looked up");
    t->r = *request;
    config_ref(t->r.config);
    t->well = true;
    for (size_t i = 0; i < request->upstreams->count; i++)
        plan(t, config_upstream(config, request->upstreams->items[i]));
    for (size_t i = 0; i < config->upstream_count && request->upstreams->count == 0; i++)
        plan(t, &config->upstreams[i]);
    t->r.upstreams = NULL;
    begin_trials(t);
    return t;
}

void trials_cancel(struct trials *t)
{
    if (t != NULL)
        trials_free(t);
}

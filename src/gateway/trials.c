/* Which hosts are tried, how many at a time, and what is told of them in order. */
#include "gateway/trials.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "conf/types.h"
#include "conf/upstream_host.h"
#include "gateway/host_trial.h"
#include "gateway/srv_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Trials at a time. */
#define TRIALS_MAX 8

struct planned_trial {
    const struct config_upstream *upstream;
    size_t index;
    const struct target *at;  /* of a lookup; NULL: the configuration names the host */
    struct host_trial *trial; /* NULL: it has not begun, or it has ended */
    json_t *seen;             /* NULL: it has not ended */
};

/* The hosts of an upstream by SRV records, which are asked for before anything is tried. */
struct trial_lookup {
    struct trials *trials;
    const struct config_upstream *upstream;
    struct srv_watch *watch;  /* NULL: it has ended */
    struct deadline patience; /* connect_timeout */
    struct target *targets;
    size_t count;
    char *error; /* why there are none */
    bool ended;
};

struct trials {
    struct trials_request r;
    struct string_list names; /* a copy of the request's */
    struct trial_lookup *lookups;
    size_t lookup_count;
    struct later looked_up;
    struct planned_trial *all;
    size_t count;
    size_t begun;
    size_t running;
    size_t told;
    bool well;
};

static bool is_planned(const struct trials *t, const struct config_upstream *upstream)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->all[i].upstream == upstream)
            return true;
    return false;
}

static void plan_host(struct trials *t, struct planned_trial planned)
{
    t->all = mem_realloc(t->all, (t->count + 1) * sizeof(*t->all));
    t->all[t->count++] = planned;
}

/* In the place of a trial: there is no host to try. */
static json_t *no_host(const struct trial_lookup *lookup)
{
    const char *service = upstream_service(lookup->upstream);
    char *reason = mem_printf("SRV %s: %s", service,
                              lookup->error != NULL ? lookup->error : "there is no such service");
    json_t *seen = json_pack("{s:o, s:o, s:b, s:[{s:s, s:b, s:o, s:s}]}", "upstream",
                             json_text(lookup->upstream->name), "host", json_text(service), "ok", 0,
                             "steps", "step", "connection", "ok", 0, "reason", json_text(reason),
                             "advice", "check the name behind srv:, and what DNS says of it");

    free(reason);
    return seen;
}

static void plan_found(struct trials *t, const struct trial_lookup *lookup)
{
    for (size_t i = 0; i < lookup->count; i++)
        plan_host(t,
                  (struct planned_trial){.upstream = lookup->upstream, .at = &lookup->targets[i]});
    if (lookup->count > 0)
        return;
    plan_host(t, (struct planned_trial){.upstream = lookup->upstream, .seen = no_host(lookup)});
    t->well = false;
}

/* Jump hosts go first: what is wrong with one is the reason for what is behind it. */
static void plan(struct trials *t, const struct config_upstream *upstream)
{
    if (is_planned(t, upstream))
        return;
    if (upstream->jump.count > 0)
        plan(t, config_upstream(t->r.config, upstream->jump.items[0]));
    for (size_t i = 0; i < t->lookup_count; i++)
        if (t->lookups[i].upstream == upstream)
            plan_found(t, &t->lookups[i]);
    for (size_t i = 0; upstream_service(upstream) == NULL && i < upstream->hosts.count; i++)
        plan_host(t, (struct planned_trial){.upstream = upstream, .index = i});
}

static void end_lookup(struct trial_lookup *lookup)
{
    deadline_cancel(&lookup->patience);
    if (lookup->watch != NULL)
        srv_watch_free(lookup->watch);
    lookup->watch = NULL;
}

static void trials_free(struct trials *t)
{
    for (size_t i = 0; i < t->count; i++) {
        host_trial_cancel(t->all[i].trial);
        json_decref(t->all[i].seen);
    }
    for (size_t i = 0; i < t->lookup_count; i++) {
        end_lookup(&t->lookups[i]);
        free(t->lookups[i].targets);
        free(t->lookups[i].error);
    }
    later_cancel(t->r.room->loop, &t->looked_up);
    free(t->lookups);
    string_list_clear(&t->names);
    config_unref(t->r.config);
    free(t->all);
    free(t);
}

static void tell_in_order(struct trials *t)
{
    while (t->told < t->count && t->all[t->told].seen != NULL) {
        if (t->r.seen != NULL)
            t->r.seen(t->r.arg, t->all[t->told].seen);
        t->told++;
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
    tell_in_order(t);
    begin_trials(t);
    if (t->running == 0)
        finish_trials(t);
}

static void begin_trials(struct trials *t)
{
    for (; t->begun < t->count && t->running < TRIALS_MAX; t->begun++) {
        if (t->all[t->begun].seen != NULL)
            continue;
        t->running++;
        t->all[t->begun].trial = host_trial_start(&(struct host_trial_request){
            .room = t->r.room,
            .config = t->r.config,
            .upstream = t->all[t->begun].upstream,
            .index = t->all[t->begun].index,
            .at = t->all[t->begun].at,
            .target = t->r.target,
            .number = t->begun,
            .done = on_host_tried,
            .arg = t,
        });
    }
}

const char *trials_unknown(const struct config *config, const struct string_list *upstreams)
{
    for (size_t i = 0; i < upstreams->count; i++)
        if (config_upstream(config, upstreams->items[i]) == NULL)
            return upstreams->items[i];
    return NULL;
}

/* Lookups. */

/* Once all have ended, the trials begin. */
static void on_trials_looked_up(struct later *later)
{
    struct trials *t = container_of(later, struct trials, looked_up);
    const struct config *config = t->r.config;

    for (size_t i = 0; i < t->lookup_count; i++)
        if (!t->lookups[i].ended)
            return;
    for (size_t i = 0; i < t->lookup_count; i++)
        end_lookup(&t->lookups[i]);
    for (size_t i = 0; i < t->names.count; i++)
        plan(t, config_upstream(config, t->names.items[i]));
    for (size_t i = 0; i < config->upstream_count && t->names.count == 0; i++)
        plan(t, &config->upstreams[i]);
    begin_trials(t);
    tell_in_order(t);
    if (t->running == 0)
        finish_trials(t);
}

static void lookup_ended(struct trial_lookup *lookup)
{
    lookup->ended = true;
    later_post(lookup->trials->r.room->loop, &lookup->trials->looked_up, on_trials_looked_up);
}

static void on_trial_targets(void *arg, const struct target *targets, size_t count)
{
    struct trial_lookup *lookup = arg;

    if (lookup->ended)
        return;
    lookup->targets = mem_zalloc((count + 1) * sizeof(*targets));
    if (count > 0)
        memcpy(lookup->targets, targets, count * sizeof(*targets));
    lookup->count = count;
    lookup_ended(lookup);
}

static void on_lookup_overdue(struct deadline *patience)
{
    struct trial_lookup *lookup = container_of(patience, struct trial_lookup, patience);
    struct srv_watch_state state;

    if (lookup->ended)
        return;
    srv_watch_state(lookup->watch, &state);
    lookup->error =
        mem_strdup(state.error != NULL ? state.error : "no answer within connect_timeout");
    lookup_ended(lookup);
}

/* (Of all upstreams: one that is not tried may be a jump host of one that is.) */
static void begin_lookups(struct trials *t)
{
    const struct config *config = t->r.config;

    t->lookups = mem_zalloc((config->upstream_count + 1) * sizeof(*t->lookups));
    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        struct trial_lookup *lookup = &t->lookups[t->lookup_count];
        if (upstream_service(upstream) == NULL)
            continue;
        t->lookup_count++;
        lookup->trials = t;
        lookup->upstream = upstream;
        lookup->watch = srv_watch_new(t->r.room->resolver, upstream->name,
                                      upstream_service(upstream), on_trial_targets, lookup);
        deadline_arm(t->r.room->loop, &lookup->patience, upstream->connect_timeout_ms,
                     on_lookup_overdue);
    }
    later_post(t->r.room->loop, &t->looked_up, on_trials_looked_up);
}

struct trials *trials_start(const struct trials_request *request)
{
    struct trials *t = mem_zalloc(sizeof(*t));

    assert(trials_unknown(request->config, request->upstreams) == NULL && "names were looked up");
    t->r = *request;
    config_ref(t->r.config);
    t->well = true;
    for (size_t i = 0; i < request->upstreams->count; i++)
        string_list_append(&t->names, mem_strdup(request->upstreams->items[i]));
    t->r.upstreams = NULL;
    begin_lookups(t);
    return t;
}

void trials_cancel(struct trials *t)
{
    if (t != NULL)
        trials_free(t);
}

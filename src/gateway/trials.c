/* Which hosts are tried, how many at a time, and what is reported of them in order. */
#include "gateway/trials.h"

#include "base/mem.h"
#include "conf/upstream_host.h"
#include "gateway/host_trial.h"
#include "gateway/trial_hosts.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

/* Trials at a time. */
#define TRIALS_MAX 8

/* A host to be tried. Where SRV records name the hosts, there is one for all of them until they are
 * known. */
struct planned_trial {
    TAILQ_ENTRY(planned_trial) link;
    struct trials *trials;
    const struct config_upstream *upstream;
    size_t index;                 /* of the host, where the configuration names it */
    struct target srv;            /* the host that SRV records name, ... */
    size_t srv_count, srv_number; /* ... and which it is of how many; 0: not known */
    bool begun;
    struct trial_hosts *asked; /* SRV records; NULL: they are not being asked for */
    struct host_trial *trial;  /* NULL: it has not begun, or it has ended */
    json_t *seen;              /* NULL: it has not ended */
    bool reported;
};

struct trials {
    struct trials_request r;
    TAILQ_HEAD(planned_trials, planned_trial) all; /* in the order of the report */
    size_t running;
    bool well;
};

static bool is_planned(const struct trials *t, const struct config_upstream *upstream)
{
    const struct planned_trial *p;

    TAILQ_FOREACH (p, &t->all, link)
        if (p->upstream == upstream)
            return true;
    return false;
}

/* `after` NULL: the last one. */
static struct planned_trial *plan_host(struct trials *t, const struct config_upstream *upstream,
                                       struct planned_trial *after)
{
    struct planned_trial *p = mem_zalloc(sizeof(*p));

    p->trials = t;
    p->upstream = upstream;
    if (after != NULL)
        TAILQ_INSERT_AFTER(&t->all, after, p, link);
    else
        TAILQ_INSERT_TAIL(&t->all, p, link);
    return p;
}

/* Jump hosts go first: what is wrong with one is the reason for what is behind it. */
static void plan(struct trials *t, const struct config_upstream *upstream)
{
    if (is_planned(t, upstream))
        return;
    if (upstream->jump.count > 0)
        plan(t, config_upstream(t->r.config, upstream->jump.items[0]));
    for (size_t i = 0; i < upstream->hosts.count; i++)
        plan_host(t, upstream, NULL)->index = i;
}

static void trials_free(struct trials *t)
{
    struct planned_trial *p;

    while ((p = TAILQ_FIRST(&t->all)) != NULL) {
        TAILQ_REMOVE(&t->all, p, link);
        trial_hosts_cancel(p->asked);
        host_trial_cancel(p->trial);
        json_decref(p->seen);
        free(p);
    }
    config_unref(t->r.config);
    free(t);
}

static void report_in_order(struct trials *t)
{
    struct planned_trial *p;

    TAILQ_FOREACH (p, &t->all, link) {
        if (p->seen == NULL)
            return;
        if (!p->reported && t->r.seen != NULL)
            t->r.seen(t->r.arg, p->seen);
        p->reported = true;
    }
}

static void finish_trials(struct trials *t)
{
    const struct trials_request r = t->r;
    json_t *tries = json_array();
    json_t *answer = json_pack("{s:b, s:b, s:o}", "ok", 1, "well", t->well, "tries", tries);
    const struct planned_trial *p;

    TAILQ_FOREACH (p, &t->all, link)
        json_array_append(tries, p->seen);
    trials_free(t);
    r.done(r.arg, answer);
}

static void begin_trials(struct trials *t);

static void on_host_tried(void *arg, json_t *seen)
{
    struct planned_trial *p = arg;
    struct trials *t = p->trials;

    p->trial = NULL;
    p->seen = seen;
    t->well = t->well && json_is_true(json_object_get(seen, "ok"));
    t->running--;
    report_in_order(t);
    begin_trials(t);
    if (t->running == 0)
        finish_trials(t);
}

/* `wrong` NULL: the host is known. */
static void begin_host(struct planned_trial *p, const char *wrong)
{
    const struct trials_request *r = &p->trials->r;

    p->trial = host_trial_start(&(struct host_trial_request){
        .room = r->room,
        .config = r->config,
        .upstream = p->upstream,
        .index = p->index,
        .srv = p->srv_count > 0 ? &p->srv : NULL,
        .srv_count = p->srv_count,
        .srv_number = p->srv_number,
        .srv_wrong = wrong,
        .target = r->target,
        .done = on_host_tried,
        .arg = p,
    });
}

/* Of the hosts that SRV records name this trial has the first; the others are planned behind it. */
static void on_trial_hosts(void *arg, const struct target *hosts, size_t count, const char *wrong)
{
    struct planned_trial *p = arg, *last = p;

    p->asked = NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            last = plan_host(p->trials, p->upstream, last);
        last->srv = hosts[i];
        last->srv_count = count;
        last->srv_number = i + 1;
    }
    begin_host(p, wrong);
    begin_trials(p->trials);
}

static void begin_planned(struct planned_trial *p)
{
    const char *service = upstream_service(p->upstream);

    p->begun = true;
    p->trials->running++;
    if (service != NULL && p->srv_count == 0)
        p->asked = trial_hosts_ask(p->trials->r.room->resolver, service, on_trial_hosts, p);
    else
        begin_host(p, NULL);
}

static void begin_trials(struct trials *t)
{
    struct planned_trial *p;

    TAILQ_FOREACH (p, &t->all, link)
        if (!p->begun && t->running < TRIALS_MAX)
            begin_planned(p);
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
    TAILQ_INIT(&t->all);
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

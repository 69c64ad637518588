/* When SRV records are asked for, and what comes of an answer. */
#include "gateway/srv_watch.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "conf/types.h"
#include "io/resolver_srv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How soon a question that failed is asked again. */
static const struct backoff_bounds failure_bounds = {1000, 60000, 50};

/* Of the targets that are left out, so many are named in the log: anybody may have written them. */
#define LEFT_OUT_NAMED 5

struct srv_watch {
    struct resolver *resolver;
    struct loop *loop;
    char *name; /* the upstream's */
    char *service;
    srv_watch_fn *changed;
    srv_watch_unknown_fn *unknown;
    void *arg;
    struct srv_question *question; /* NULL: `again` is armed */
    struct deadline again;
    uint64_t asked_at;      /* loop_now */
    bool answered;          /* targets are known */
    struct target *targets; /* in order */
    size_t count;
    char *left_out;         /* targets of the last answer that are no hosts; "" or NULL: none */
    char *error;            /* of the last question; NULL: it had an answer */
    unsigned failures;      /* in a row */
    uint64_t failing_since; /* loop_now */
};

static void watch_ask(struct srv_watch *watch);

static void watch_ask_again(struct deadline *again)
{
    watch_ask(container_of(again, struct srv_watch, again));
}

static void watch_wait(struct srv_watch *watch, uint64_t milliseconds)
{
    deadline_arm(watch->loop, &watch->again, milliseconds > 0 ? milliseconds : 1, watch_ask_again);
}

/* ---- failures */

/* (Each kind is told once, until there was an answer.) */
static void watch_failed(struct srv_watch *watch, const char *error)
{
    uint64_t wait = backoff_wait(&failure_bounds, watch->failures, backoff_random());
    bool told = watch->error != NULL && strcmp(watch->error, error) == 0;

    if (watch->failures++ == 0)
        watch->failing_since = loop_now(watch->loop);
    if (told)
        log_debug("upstream %s: SRV %s: %s", watch->name, watch->service, error);
    else if (watch->count > 0)
        log_warning("upstream %s: SRV %s: %s: the hosts known so far (%zu) stay in use",
                    watch->name, watch->service, error, watch->count);
    else
        log_warning("upstream %s: SRV %s: %s: no host is known", watch->name, watch->service,
                    error);
    if (!told) {
        free(watch->error);
        watch->error = mem_strdup(error);
    }
    watch_wait(watch, wait);
    if (watch->count == 0)
        watch->unknown(watch->arg, error);
}

/* ---- answers */

/* (An answer that comes again is no news.) */
static void log_left_out(struct srv_watch *watch, struct buffer *text)
{
    char *left_out = buffer_length(text) > 0 ? text_take(text) : mem_strdup("");

    if (left_out[0] != '\0' && (watch->left_out == NULL || strcmp(watch->left_out, left_out) != 0))
        log_warning("upstream %s: SRV %s: left out: %s", watch->name, watch->service, left_out);
    free(watch->left_out);
    watch->left_out = left_out;
}

/* Leaves out what can be no host; how many are left. */
static size_t drop_wrong(struct srv_watch *watch, struct target *targets, size_t count)
{
    struct buffer text = {0};
    size_t kept = 0, named = 0;

    for (size_t i = 0; i < count; i++) {
        const char *wrong = target_wrong(&targets[i]);
        if (wrong == NULL) {
            targets[kept++] = targets[i];
            continue;
        }
        if (named++ >= LEFT_OUT_NAMED)
            continue;
        char *visible = text_visible(targets[i].name[0] != '\0' ? targets[i].name : ".");
        text_add(&text, "%s'%s' (%s)", buffer_length(&text) > 0 ? ", " : "", visible, wrong);
        free(visible);
    }
    if (named > LEFT_OUT_NAMED)
        text_add(&text, ", and %zu more", named - LEFT_OUT_NAMED);
    log_left_out(watch, &text);
    return kept;
}

static void watch_learn(struct srv_watch *watch, struct target *targets, size_t count)
{
    bool same = watch->answered && targets_equal(targets, count, watch->targets, watch->count);

    if (watch->failures > 0)
        log_info("upstream %s: SRV %s: answered after %" PRIu64 " s and %u failures", watch->name,
                 watch->service, (loop_now(watch->loop) - watch->failing_since) / 1000,
                 watch->failures);
    free(watch->error);
    watch->error = NULL;
    watch->failures = 0;
    watch->answered = true;
    free(watch->targets);
    watch->targets = targets;
    watch->count = count;
    if (same)
        return;
    if (count == 0)
        log_warning(
            "upstream %s: SRV %s: its one target is \".\": there is no such service, and no "
            "host",
            watch->name, watch->service);
    watch->changed(watch->arg, targets, count);
}

static void take_targets(struct srv_watch *watch, const struct srv_answer *answer)
{
    struct target *targets = mem_zalloc(answer->count * sizeof(*targets));
    size_t count = answer->count;

    memcpy(targets, answer->targets, count * sizeof(*targets));
    count = targets_say_none(targets, count)
                ? 0
                : targets_order(targets, drop_wrong(watch, targets, count));
    if (count == 0 && !targets_say_none(answer->targets, answer->count)) {
        free(targets);
        watch_failed(watch, "no target is a host's name and port");
        return;
    }
    watch_wait(watch, targets_ttl_ms(answer->ttl));
    watch_learn(watch, targets, count);
}

/* (Also that there is no such name, or no record: a zone that was edited wrongly, or a server that
 * lost it, is no reason to leave hosts that work. RFC 2782 has "." to say that there is none.) */
static void on_srv_answer(void *arg, const struct srv_answer *answer)
{
    struct srv_watch *watch = arg;

    watch->question = NULL;
    if (answer->status == RESOLVE_FOUND)
        take_targets(watch, answer);
    else
        watch_failed(watch, answer->error);
}

/* ---- questions */

static void watch_ask(struct srv_watch *watch)
{
    deadline_cancel(&watch->again);
    watch->asked_at = loop_now(watch->loop);
    watch->question = resolver_srv(watch->resolver, watch->service, on_srv_answer, watch);
}

struct srv_watch *srv_watch_new(const struct srv_watch_request *request)
{
    struct srv_watch *watch = mem_zalloc(sizeof(*watch));

    *watch = (struct srv_watch){
        .resolver = request->resolver,
        .loop = resolver_loop(request->resolver),
        .name = mem_strdup(request->name),
        .service = mem_strdup(request->service),
        .changed = request->changed,
        .unknown = request->unknown,
        .arg = request->arg,
    };
    watch_ask(watch);
    return watch;
}

void srv_watch_free(struct srv_watch *watch)
{
    if (watch == NULL)
        return;
    deadline_cancel(&watch->again);
    srv_question_cancel(watch->question);
    free(watch->targets);
    free(watch->left_out);
    free(watch->error);
    free(watch->service);
    free(watch->name);
    free(watch);
}

void srv_watch_ask_now(struct srv_watch *watch)
{
    if (watch->question == NULL)
        watch_ask(watch);
}

void srv_watch_ask_soon(struct srv_watch *watch)
{
    uint64_t earliest = watch->asked_at + TARGETS_TTL_MIN_MS;
    uint64_t now = loop_now(watch->loop);

    if (watch->question != NULL || watch->again.due <= (earliest > now ? earliest : now))
        return;
    watch_wait(watch, earliest > now ? earliest - now : 1);
}

void srv_watch_state(const struct srv_watch *watch, struct srv_watch_state *state)
{
    uint64_t now = loop_now(watch->loop);

    *state = (struct srv_watch_state){.service = watch->service, .error = watch->error};
    if (watch->question == NULL)
        state->next_ms = watch->again.due > now ? watch->again.due - now : 1;
}

/* The queue of changes, of which the keeper has the first. */
#include "gateway/config_changes.h"

#include "base/mem.h"
#include "io/loop.h"

#include <stdlib.h>
#include <string.h>

struct change_waiter {
    config_change_done_fn *done;
    void *arg;
};

struct config_change {
    TAILQ_ENTRY(config_change) link;
    enum config_change_kind kind;
    struct forward_words *forwards;
    size_t forward_count;
    struct change_waiter *waiters;
    size_t waiter_count;
};

struct config_changes {
    struct config_changes_options options;
    struct config_change *under_way;               /* NULL: none */
    uint32_t serial;                               /* of the one under way, or the last */
    struct later not_asked;                        /* it could not be asked for */
    struct later refusing;                         /* what was asked for after the close */
    TAILQ_HEAD(change_queue, config_change) queue; /* of those that wait */
    bool closed;
};

static void change_free(struct config_change *change)
{
    forward_words_free(change->forwards, change->forward_count);
    free(change->waiters);
    free(change);
}

/* Calls each waiter's `done` with the result. (The callee may ask for another change.) */
static void change_tell(struct config_change *change, bool ok,
                        const struct config_change_result *result)
{
    struct change_waiter *waiters = change->waiters;
    size_t count = change->waiter_count;

    change->waiters = NULL;
    change->waiter_count = 0;
    for (size_t i = 0; i < count; i++)
        waiters[i].done(waiters[i].arg, ok, result);
    free(waiters);
}

static const struct config_problems no_problems;

static void tell_ending(struct config_change *change)
{
    change_tell(
        change, false,
        &(struct config_change_result){.problems = &no_problems, .error = "adit is ending"});
}

/* (A waiter that is told may ask for another change.) */
static void tell_all_ending(struct config_changes *changes)
{
    struct config_change *change;

    while ((change = TAILQ_FIRST(&changes->queue)) != NULL) {
        TAILQ_REMOVE(&changes->queue, change, link);
        tell_ending(change);
        change_free(change);
    }
}

static void refuse_late(struct later *refusing)
{
    tell_all_ending(container_of(refusing, struct config_changes, refusing));
}

static void start_next(struct config_changes *changes);

/* The change under way has come to its end. (An end may be a reason to close.) */
static void change_ended(struct config_changes *changes, struct config_change_result *result)
{
    struct config_change *change = changes->under_way;
    const struct config_changes_options *options = &changes->options;
    char error[CONFIG_CHANGE_ERROR_MAX] = "";

    changes->under_way = NULL;
    result->reload = change->kind == CONFIG_RELOAD;
    result->forwards_before = options->forward_count(options->arg);
    bool ok = options->apply(options->arg, result, error);
    if (!ok && result->config != NULL)
        result->error = error;
    options->taken(options->arg, changes->serial, ok);
    change_tell(change, ok, result);
    change_free(change);
    start_next(changes);
}

static void change_not_asked(struct later *later)
{
    struct config_changes *changes = container_of(later, struct config_changes, not_asked);
    struct config_change *change = changes->under_way;

    changes->under_way = NULL;
    change_tell(change, false,
                &(struct config_change_result){.problems = &no_problems,
                                               .error = "these are too many forwards at once"});
    change_free(change);
    start_next(changes);
}

static void start_next(struct config_changes *changes)
{
    const struct config_changes_options *options = &changes->options;
    struct config_change *change = TAILQ_FIRST(&changes->queue);

    if (change == NULL || changes->under_way != NULL)
        return;
    TAILQ_REMOVE(&changes->queue, change, link);
    changes->under_way = change;
    changes->serial++;
    if (!options->ask(options->arg, changes->serial, change->kind, change->forwards,
                      change->forward_count))
        later_post(options->loop, &changes->not_asked, change_not_asked);
}

void config_changes_made(struct config_changes *changes, uint32_t serial, struct config *config,
                         const char *error, const struct config_problems *problems)
{
    struct config_change_result result = {.config = config, .problems = problems, .error = error};

    if (changes->under_way != NULL && serial == changes->serial)
        change_ended(changes, &result);
    else
        changes->options.taken(changes->options.arg, serial, false);
}

struct config_changes *config_changes_new(const struct config_changes_options *options)
{
    struct config_changes *changes = mem_zalloc(sizeof(*changes));

    changes->options = *options;
    TAILQ_INIT(&changes->queue);
    return changes;
}

/* A reload that has not begun yet, and that no other change was asked for after. */
static struct config_change *waiting_reload(const struct config_changes *changes)
{
    struct config_change *last = TAILQ_LAST(&changes->queue, change_queue);

    return last != NULL && last->kind == CONFIG_RELOAD ? last : NULL;
}

static void add_waiter(struct config_change *change, config_change_done_fn *done, void *arg)
{
    if (done == NULL)
        return;
    change->waiters =
        mem_realloc(change->waiters, (change->waiter_count + 1) * sizeof(*change->waiters));
    change->waiters[change->waiter_count++] = (struct change_waiter){done, arg};
}

void config_changes_ask(struct config_changes *changes, const struct config_change_request *request)
{
    struct config_change *change = request->kind == CONFIG_RELOAD ? waiting_reload(changes) : NULL;

    if (change != NULL) {
        add_waiter(change, request->done, request->arg);
        return;
    }
    change = mem_zalloc(sizeof(*change));
    change->kind = request->kind;
    change->forwards = request->forwards;
    change->forward_count = request->forward_count;
    add_waiter(change, request->done, request->arg);
    TAILQ_INSERT_TAIL(&changes->queue, change, link);
    if (changes->closed)
        later_post(changes->options.loop, &changes->refusing, refuse_late);
    else
        start_next(changes);
}

bool config_changes_reloading(const struct config_changes *changes)
{
    return changes->under_way != NULL && changes->under_way->kind == CONFIG_RELOAD;
}

void config_changes_close(struct config_changes *changes)
{
    if (changes->closed)
        return;
    changes->closed = true;
    later_cancel(changes->options.loop, &changes->not_asked);
    if (changes->under_way != NULL)
        TAILQ_INSERT_HEAD(&changes->queue, changes->under_way, link);
    changes->under_way = NULL;
    tell_all_ending(changes);
}

void config_changes_free(struct config_changes *changes)
{
    if (changes == NULL)
        return;
    config_changes_close(changes);
    tell_all_ending(changes);
    later_cancel(changes->options.loop, &changes->refusing);
    free(changes);
}

/* The queue of changes, and the thread that makes each. */
#include "gateway/config_changes.h"

#include "base/hostport.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/types.h"
#include "io/socket_calls.h"
#include "session/login.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct change_waiter {
    config_change_done_fn *done;
    void *arg;
};

struct config_change {
    TAILQ_ENTRY(config_change) link;
    struct message message; /* from the thread, when it has ended */
    struct config_changes *changes;
    enum config_change_kind kind;
    struct config_change_forward *forwards;
    size_t forward_count;
    struct change_waiter *waiters; /* the main thread's */
    size_t waiter_count;
    /* From here on the thread's while it runs. */
    uv_thread_t thread;
    bool has_thread;
    struct config *base; /* what is changed; a reference */
    int connection;      /* shut down when the thread has to end; -1: none was to be had */
    struct config *config;
    struct config_problems problems;
    char error[CONFIG_CHANGE_ERROR_MAX];
    struct control_holder holder;
};

struct config_changes {
    struct config_changes_options options;
    TAILQ_HEAD(change_queue, config_change) queue; /* the first one is under way, if `running` */
    bool running;
    bool closed;
    int connection; /* the other end of what the change under way has */
    void (*idle)(void *arg);
    void *idle_arg;
};

/* On the thread. */

static void find_hosts(const struct login_engine *engine, struct config_upstream *upstream)
{
    for (size_t i = 0; i < upstream->hosts.count; i++) {
        const char *host = upstream->hosts.items[i];
        char name[HOST_MAX + 1];
        uint16_t port;
        hostport_split_zoned(host, strlen(host), upstream->port, name, &port);
        dial_find(engine, upstream, name, &port);
        string_list_append(&upstream->libssh_hosts, mem_printf("%u %s", port, name));
    }
}

void config_find_hosts(const struct login_engine *engine, struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++)
        if (config->upstreams[i].libssh_config && config->upstreams[i].libssh_hosts.count == 0)
            find_hosts(engine, &config->upstreams[i]);
}

static bool same_control(const struct config *a, const struct config *b)
{
    const char *path_a = a->gateway.control;
    const char *path_b = b->gateway.control;

    return path_a != NULL && path_b != NULL ? strcmp(path_a, path_b) == 0 : path_a == path_b;
}

/* The file, or what a command line leads to, as it is now. */
static struct config *load_again(struct config_change *change)
{
    const struct config_changes_options *options = &change->changes->options;

    if (change->base->file != NULL)
        return config_load_until(change->base->file, change->connection, &change->problems);
    return options->read_again(options->read_again_arg, change->base, change->connection,
                               &change->problems);
}

static void make_reloaded(struct config_change *change)
{
    const struct config *base = change->base;
    struct config *config;

    if (base->file == NULL && change->changes->options.read_again == NULL) {
        snprintf(change->error, sizeof(change->error), "there is no file to read again");
        return;
    }
    config = load_again(change);
    if (config == NULL) {
        snprintf(change->error, sizeof(change->error), "nothing was changed");
        return;
    }
    config_find_hosts(change->changes->options.engine, config);
    if (config->gateway.control != NULL && !same_control(base, config))
        change->holder.peer = control_probe(config->gateway.control, &change->holder.pid);
    change->config = config;
}

static bool read_forward(const struct config_change_forward *words, struct config_forward *forward,
                         char *error, size_t error_size)
{
    int kind = words->kind != NULL ? word_index(forward_kinds, words->kind) : -1;

    if (kind < 0 || words->spec == NULL) {
        snprintf(error, error_size,
                 "a forward is a \"kind\" (local, remote, dynamic) and a \"spec\"");
        return false;
    }
    return forward_spec_parse((enum forward_kind)kind, words->spec, forward, error, error_size);
}

/* (A forward that is there already is as good, as to ssh; but each port that the server picks is
 * another.) */
static struct config *with_forward(struct config *config, const struct config_forward *forward,
                                   const char *via, char *error, size_t error_size)
{
    bool picked =
        forward->kind == FORWARD_REMOTE && forward->bind.path == NULL && forward->bind.port == 0;
    struct config *without = NULL;

    if (!picked)
        without = config_remove_forward(config, forward, error, error_size);
    config_unref(without);
    if (without != NULL)
        return config_ref(config);
    return config_add_forward(config, forward, via, error, error_size);
}

/* `config` with one forward of the change added or removed; NULL: `error` says why not. */
static struct config *make_one(struct config_change *change, struct config *config,
                               const struct config_change_forward *words)
{
    struct config_forward forward = {0};
    struct config *next = NULL;

    if (change->kind == CONFIG_REMOVE_NAMED_FORWARDS) {
        const struct config_forward *named = config_forward(config, words->name);
        return named == NULL
                   ? config_ref(config)
                   : config_remove_forward(config, named, change->error, sizeof(change->error));
    }
    if (!read_forward(words, &forward, change->error, sizeof(change->error)))
        return NULL;
    if (change->kind == CONFIG_ADD_FORWARDS)
        next = with_forward(config, &forward, words->via, change->error, sizeof(change->error));
    else
        next = config_remove_forward(config, &forward, change->error, sizeof(change->error));
    place_clear(&forward.bind);
    place_clear(&forward.target);
    return next;
}

static void make_with_forwards(struct config_change *change)
{
    struct config *config = config_ref(change->base);

    for (size_t i = 0; config != NULL && i < change->forward_count; i++) {
        struct config *next = make_one(change, config, &change->forwards[i]);
        config_unref(config);
        config = next;
    }
    change->config = config;
}

static void change_thread(void *arg)
{
    struct config_change *change = arg;

    if (change->kind == CONFIG_RELOAD)
        make_reloaded(change);
    else
        make_with_forwards(change);
    mailbox_post(change->changes->options.mailbox, &change->message);
}

/* On the main thread. */

static void change_free(struct config_change *change)
{
    for (size_t i = 0; i < change->forward_count; i++) {
        free(change->forwards[i].kind);
        free(change->forwards[i].spec);
        free(change->forwards[i].via);
        free(change->forwards[i].name);
    }
    if (change->connection >= 0)
        close(change->connection);
    config_unref(change->base);
    config_unref(change->config);
    config_problems_clear(&change->problems);
    free(change->forwards);
    free(change->waiters);
    free(change);
}

/* What the thread has left. */
static struct config_change_result change_result(const struct config_change *change)
{
    return (struct config_change_result){
        .config = change->config,
        .problems = &change->problems,
        .error = change->error,
        .holder = change->holder,
        .forwards_before = change->base->forward_count,
        .reload = change->kind == CONFIG_RELOAD,
    };
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

/* (Nothing of the change is looked at but its waiters: it may be under way.) */
static void tell_ending(struct config_change *change)
{
    static const struct config_problems none;

    change_tell(change, false,
                &(struct config_change_result){.problems = &none, .error = "adit is ending"});
}

static void change_apply(struct config_change *change)
{
    const struct config_changes_options *options = &change->changes->options;
    struct config_change_result result = change_result(change);
    char error[CONFIG_CHANGE_ERROR_MAX] = "";
    bool ok = options->apply(options->arg, &result, error);

    if (!ok && change->config != NULL)
        result.error = error;
    change_tell(change, ok, &result);
}

static void start_next(struct config_changes *changes);

static void change_ended(struct message *message, void *owner)
{
    struct config_change *change = container_of(message, struct config_change, message);
    struct config_changes *changes = change->changes;

    (void)owner;
    assert(TAILQ_FIRST(&changes->queue) == change && "changes end in order");
    if (change->has_thread)
        uv_thread_join(&change->thread);
    if (changes->connection >= 0)
        close(changes->connection);
    changes->connection = -1;
    if (!changes->closed)
        change_apply(change);
    TAILQ_REMOVE(&changes->queue, change, link);
    changes->running = false;
    change_free(change);
    if (!changes->closed)
        start_next(changes);
    else if (changes->idle != NULL)
        changes->idle(changes->idle_arg);
}

/* The mailbox is freed only when no change is under way. */
static void change_dropped(struct message *message)
{
    (void)message;
    assert(false && "no change is under way when the mailbox is freed");
}

static void start_next(struct config_changes *changes)
{
    struct config_change *change = TAILQ_FIRST(&changes->queue);
    int ends[2] = {-1, -1};

    if (change == NULL || changes->running)
        return;
    changes->running = true;
    change->base = config_ref(changes->options.current(changes->options.arg));
    if (socket_pair(true, ends)) {
        change->connection = ends[0];
        changes->connection = ends[1];
    }
    change->has_thread = uv_thread_create(&change->thread, change_thread, change) == 0;
    if (!change->has_thread) {
        snprintf(change->error, sizeof(change->error), "no thread can be had to make the change");
        mailbox_post(changes->options.mailbox, &change->message);
    }
}

struct config_changes *config_changes_new(const struct config_changes_options *options)
{
    struct config_changes *changes = mem_zalloc(sizeof(*changes));

    changes->options = *options;
    changes->connection = -1;
    TAILQ_INIT(&changes->queue);
    return changes;
}

static struct config_change *change_new(struct config_changes *changes,
                                        enum config_change_kind kind)
{
    struct config_change *change = mem_zalloc(sizeof(*change));

    change->message = (struct message){.run = change_ended, .drop = change_dropped};
    change->changes = changes;
    change->kind = kind;
    change->connection = -1;
    return change;
}

/* A reload that has not begun yet, and that no other change was asked for after. */
static struct config_change *waiting_reload(const struct config_changes *changes)
{
    struct config_change *last = TAILQ_LAST(&changes->queue, change_queue);
    bool begun = changes->running && last == TAILQ_FIRST(&changes->queue);

    return last != NULL && !begun && last->kind == CONFIG_RELOAD ? last : NULL;
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
    change = change_new(changes, request->kind);
    change->forwards = request->forwards;
    change->forward_count = request->forward_count;
    add_waiter(change, request->done, request->arg);
    if (changes->closed) {
        tell_ending(change);
        change_free(change);
        return;
    }
    TAILQ_INSERT_TAIL(&changes->queue, change, link);
    start_next(changes);
}

bool config_changes_busy(const struct config_changes *changes)
{
    return changes->running;
}

bool config_changes_reloading(const struct config_changes *changes)
{
    return changes->running && TAILQ_FIRST(&changes->queue)->kind == CONFIG_RELOAD;
}

/* (The change under way stays in the queue until its thread has ended. A waiter that is told
 * meanwhile cannot add to the queue any more.) */
void config_changes_close(struct config_changes *changes)
{
    struct change_queue waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct config_change *change;

    if (changes->closed)
        return;
    changes->closed = true;
    TAILQ_CONCAT(&waiting, &changes->queue, link);
    if (changes->running) {
        change = TAILQ_FIRST(&waiting);
        TAILQ_REMOVE(&waiting, change, link);
        TAILQ_INSERT_TAIL(&changes->queue, change, link);
        socket_shutdown(changes->connection);
        tell_ending(change);
    }
    while ((change = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, change, link);
        tell_ending(change);
        change_free(change);
    }
}

void config_changes_when_idle(struct config_changes *changes, void (*idle)(void *arg), void *arg)
{
    assert(changes->closed && changes->running && "there is a change whose end can be waited for");
    changes->idle = idle;
    changes->idle_arg = arg;
}

void config_changes_free(struct config_changes *changes)
{
    assert((changes == NULL || !changes->running) && "a thread would use what is freed");
    free(changes);
}

/* Remote forwards: which session holds each, and what is done when one is refused or lost. */
#include "gateway/forwards.h"

#include "base/backoff.h"
#include "base/mem.h"
#include "session/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* How soon a refused forward is asked for again. The port may still be taken by an earlier session
 * whose end the server has not noticed yet. */
static const struct backoff_bounds retry_bounds = {1000, 30000, 25};

/* ip(7): those below are of processes with CAP_NET_BIND_SERVICE. */
#define PRIVILEGED_PORTS 1024

struct forward {
    TAILQ_ENTRY(forward) link;
    struct forwards *forwards;
    const struct config_forward *config; /* of the generation in use */
    struct session_table *table;         /* its upstream's; referenced */
    enum forward_state state;
    uint64_t order; /* the number of the order that its session's worker has; 0: none */
    int slot;       /* of that session */
    uint16_t port;
    bool failing; /* refused since it was last up */
    uint64_t failing_since;
    char *error;
    unsigned refusals; /* in a row */
    uint64_t next_at;  /* loop_now */
    struct deadline retry;
};

TAILQ_HEAD(forward_list, forward);

struct forwards {
    struct loop *loop;
    struct workers *workers;
    struct generation *generation; /* referenced; NULL: none */
    struct forward_list list;
    uint64_t orders; /* given so far */
    bool (*changed)(void *arg, const struct forward_status *status);
    void (*lost)(void *arg, const struct config_forward *forward);
    void *arg;
};

const char *forward_state_name(enum forward_state state)
{
    static const char *const names[] = {"waiting", "asked", "up", "degraded"};
    return names[state];
}

struct forwards *forwards_new(struct loop *loop, struct workers *workers,
                              bool (*changed)(void *arg, const struct forward_status *status),
                              void (*lost)(void *arg, const struct config_forward *forward),
                              void *arg)
{
    struct forwards *fs = mem_zalloc(sizeof(*fs));

    fs->loop = loop;
    fs->workers = workers;
    fs->changed = changed;
    fs->lost = lost;
    fs->arg = arg;
    TAILQ_INIT(&fs->list);
    return fs;
}

void forwards_free(struct forwards *fs)
{
    if (fs == NULL)
        return;
    forwards_change(fs, NULL);
    free(fs);
}

static struct worker *worker_of(const struct forward *f)
{
    return f->forwards->workers->all[atomic_load(&f->table->slots[f->slot].worker)];
}

/* Tells its session's worker to hold it as the generation in use has it. */
static void send_order(const struct forward *f, bool again)
{
    worker_send_listen(worker_of(f), &(struct listen_order){.forwards = f->forwards,
                                                            .number = f->order,
                                                            .table = f->table,
                                                            .slot = f->slot,
                                                            .generation = f->forwards->generation,
                                                            .forward = f->config,
                                                            .again = again});
}

/* The session to hold it: one that holds other forwards already, else any that is up. */
static int choose_slot(const struct forward *f)
{
    int any = -1;

    for (int i = SESSION_TABLE_SLOTS - 1; i >= 0; i--) {
        if (session_table_slot_state(f->table, i) != SLOT_UP)
            continue;
        if (forwards_need(f->forwards, f->table, i))
            return i;
        any = i;
    }
    return any;
}

static void forward_set_state(struct forward *f, enum forward_state state)
{
    if (state != f->state)
        log_debug("remote forward %s: %s -> %s", f->config->name, forward_state_name(f->state),
                  forward_state_name(state));
    f->state = state;
}

/* Has a session ask its server for it; without a session it waits for one. */
static void forward_ask(struct forward *f)
{
    f->slot = choose_slot(f);
    if (f->slot < 0) {
        forward_set_state(f, FORWARD_WAITING);
        return;
    }
    f->order = ++f->forwards->orders;
    forward_set_state(f, FORWARD_ASKED);
    send_order(f, false);
}

/* It has no session any more. */
static void forward_detach(struct forward *f)
{
    deadline_cancel(&f->retry);
    f->order = 0;
    f->slot = -1;
    f->port = 0;
}

static void held_forward_free(struct forward *f)
{
    TAILQ_REMOVE(&f->forwards->list, f, link);
    if (f->order != 0)
        worker_send_listen_end(worker_of(f), f->order);
    forward_detach(f);
    session_table_unref(f->table);
    free(f->error);
    free(f);
}

/* Changes of the configuration. */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether both ask the server for the same listening, under the same name. */
static bool same_bind(const struct config_forward *a, const struct config_forward *b)
{
    return strcmp(a->name, b->name) == 0 && same_text(a->bind.host, b->bind.host) &&
           same_text(a->bind.path, b->bind.path) && a->bind.port == b->bind.port;
}

/* Takes from `old` the forward that is the same as this one, or makes a new one. */
static struct forward *take_or_make(struct forwards *fs, struct forward_list *old,
                                    const struct config_forward *config,
                                    struct session_table *table)
{
    struct forward *f;

    TAILQ_FOREACH (f, old, link)
        if (f->table == table && same_bind(f->config, config))
            break;
    if (f != NULL) {
        TAILQ_REMOVE(old, f, link);
    } else {
        f = mem_zalloc(sizeof(*f));
        f->forwards = fs;
        f->table = session_table_ref(table);
        f->slot = -1;
    }
    f->config = config;
    return f;
}

void forwards_change(struct forwards *fs, struct generation *generation)
{
    struct generation *before = fs->generation;
    struct forward_list wanted = TAILQ_HEAD_INITIALIZER(wanted);
    size_t count = generation != NULL ? generation->config->forward_count : 0;
    struct forward *f;

    for (size_t i = 0; i < count; i++) {
        const struct config_forward *config = &generation->config->forwards[i];
        struct session_table *table;
        if (config->kind != FORWARD_REMOTE)
            continue;
        generation_upstream(generation, config->via, &table);
        f = take_or_make(fs, &fs->list, config, table);
        TAILQ_INSERT_TAIL(&wanted, f, link);
    }
    /* (The forwards that go are ended first, as their ports may be wanted by the others.) */
    while (!TAILQ_EMPTY(&fs->list))
        held_forward_free(TAILQ_FIRST(&fs->list));
    TAILQ_CONCAT(&fs->list, &wanted, link);
    fs->generation = generation != NULL ? generation_ref(generation) : NULL;
    generation_unref(before);
    TAILQ_FOREACH (f, &fs->list, link) {
        if (f->order != 0)
            send_order(f, true);
        else if (f->state == FORWARD_WAITING)
            forward_ask(f);
    }
}

/* Sessions. */

void forwards_session_up(struct forwards *fs, const struct session_table *table)
{
    struct forward *f;

    TAILQ_FOREACH (f, &fs->list, link)
        if (f->table == table && f->state == FORWARD_WAITING)
            forward_ask(f);
}

void forwards_session_lost(struct forwards *fs, const struct session_table *table, int slot)
{
    struct forward *f;

    TAILQ_FOREACH (f, &fs->list, link) {
        if (f->table != table || f->slot != slot)
            continue;
        forward_detach(f);
        if (f->state == FORWARD_UP)
            fs->lost(fs->arg, f->config);
        forward_set_state(f, FORWARD_WAITING);
    }
    forwards_session_up(fs, table); /* (another session may be up) */
}

void forwards_session_retired(struct forwards *fs, const struct session_table *table, int slot)
{
    struct forward *f;

    TAILQ_FOREACH (f, &fs->list, link)
        if (f->table == table && f->slot == slot && f->order != 0)
            worker_send_listen_end(worker_of(f), f->order);
    forwards_session_lost(fs, table, slot);
}

bool forwards_need(const struct forwards *fs, const struct session_table *table, int slot)
{
    const struct forward *f;

    TAILQ_FOREACH (f, &fs->list, link)
        if (f->table == table && f->slot == slot)
            return true;
    return false;
}

/* Answers. */

static void forward_describe(const struct forward *f, struct forward_status *status)
{
    uint64_t now = loop_now(f->forwards->loop);
    bool degraded = f->state == FORWARD_DEGRADED;

    *status = (struct forward_status){
        .forward = f->config,
        .state = f->state,
        .session = f->slot,
        .port = f->port,
        .error = degraded ? f->error : NULL,
        .next_in_ms = degraded && f->next_at > now ? f->next_at - now : 0,
    };
}

static bool report_change(const struct forward *f)
{
    struct forward_status status;

    forward_describe(f, &status);
    return f->forwards->changed(f->forwards->arg, &status);
}

/* "host:port" or a path; a SOCKS forward has no target of its own. */
static void format_target(const struct config_forward *config, char text[static 300])
{
    char place[HOSTPORT_TEXT_MAX];

    if (config->target.path != NULL)
        snprintf(text, 300, "%s", config->target.path);
    else if (config->target.host != NULL)
        snprintf(text, 300, "%s", hostport_format(config->target.host, config->target.port, place));
    else
        snprintf(text, 300, "[socks]");
}

static void log_up(const struct forward *f)
{
    const char *bind = listen_order_bind(f->config);
    bool command_line = f->forwards->generation->config->file == NULL;
    char place[HOSTPORT_TEXT_MAX];
    char target[300];
    bool is_unix = f->config->bind.path != NULL;

    if (!is_unix)
        hostport_format(bind[0] != '\0' ? bind : "*", f->port, place);
    log_info("remote forward %s: listening on %s at the server", f->config->name,
             is_unix ? bind : place);
    if (f->config->bind.port != 0 || is_unix)
        return;
    format_target(f->config, target);
    /* (A warning on a command line, because ssh prints the allocated port without -v.) */
    log_line(command_line ? ADIT_LOG_WARNING : ADIT_LOG_INFO,
             "Allocated port %u for remote forward to %s", f->port, target);
}

static void forward_came_up(struct forward *f, uint16_t port)
{
    uint64_t failed_ms = loop_now(f->forwards->loop) - f->failing_since;

    if (f->failing)
        log_warning("remote forward %s: the server listens after %llu s and %u refusals",
                    f->config->name, (unsigned long long)failed_ms / 1000, f->refusals);
    f->port = port;
    f->failing = false;
    f->refusals = 0;
    forward_set_state(f, FORWARD_UP);
    log_up(f);
    report_change(f);
}

static void on_forward_retry(struct deadline *deadline)
{
    forward_ask(container_of(deadline, struct forward, retry));
}

/* What may be the reason, and where a person sees it: as sshd(8) decides. (It asks for root for a
 * port below 1024, and for an address that is not its own it listens nowhere.) */
static char *refusal_reasons(const struct config_place *bind)
{
    bool privileged = bind->port > 0 && bind->port < PRIVILEGED_PORTS;
    bool at_address = bind->host != NULL && strpbrk(bind->host, ".:") != NULL;

    if (bind->path != NULL)
        return mem_strdup("there: `ls -l`; AllowStreamLocalForwarding and StreamLocalBindUnlink of "
                          "sshd_config; restrict and no-port-forwarding of authorized_keys");
    return mem_printf(
        "there: `ss -tln`; AllowTcpForwarding%s of sshd_config; permitlisten, restrict "
        "and no-port-forwarding of authorized_keys%s",
        at_address ? ", PermitListen and GatewayPorts" : " and PermitListen",
        privileged ? "; a port below 1024 needs root" : "");
}

/* What has failed, in ssh's words, and why. (Of itself the server says only that it refuses:
 * SSH_MSG_REQUEST_FAILURE, RFC 4254 section 4.) */
static char *refused_words(const struct config_forward *config, const char *why)
{
    const char *path = config->bind.path;
    char *what =
        path != NULL ? mem_printf("path %s", path) : mem_printf("port %u", config->bind.port);
    char *said = why != NULL ? mem_printf(" (\"%s\")", why) : mem_strdup("");
    char *reasons = refusal_reasons(&config->bind);
    char *sentence =
        mem_printf("remote port forwarding failed for listen %s: the server refuses%s, "
                   "as the %s is taken or not allowed (%s)",
                   what, said, path != NULL ? "path" : "port", reasons);

    free(reasons);
    free(what);
    free(said);
    return sentence;
}

static void forward_was_refused(struct forward *f, const char *why)
{
    bool first;

    forward_detach(f);
    f->next_at = backoff_wait(&retry_bounds, f->refusals++, backoff_random());
    deadline_arm(f->forwards->loop, &f->retry, f->next_at, on_forward_retry);
    f->next_at += loop_now(f->forwards->loop);
    forward_set_state(f, FORWARD_DEGRADED);
    first = !f->failing;
    if (first)
        f->failing_since = loop_now(f->forwards->loop);
    f->failing = true;
    free(f->error);
    f->error = refused_words(f->config, why);
    if (!report_change(f) && first)
        log_warning("remote forward %s: %s; trying again", f->config->name, f->error);
}

void forwards_answered(struct forwards *fs, uint64_t order, const struct listen_answer *answer)
{
    struct forward *f;

    TAILQ_FOREACH (f, &fs->list, link)
        if (f->order == order)
            break;
    if (f == NULL || f->state != FORWARD_ASKED)
        return; /* its session was lost meanwhile, or it is not wanted any more */
    if (answer->listens)
        forward_came_up(f, answer->port);
    else
        forward_was_refused(f, answer->why);
}

/* Looking. */

bool forwards_settled(const struct forwards *fs)
{
    const struct forward *f;

    TAILQ_FOREACH (f, &fs->list, link) {
        const struct config_upstream *upstream =
            config_upstream(fs->generation->config, f->config->via);
        if (f->state != FORWARD_UP && (!f->failing || upstream->exit_on_forward_failure))
            return false;
    }
    return true;
}

void forwards_each(const struct forwards *fs,
                   void (*each)(void *arg, const struct forward_status *status), void *arg)
{
    const struct forward *f;
    struct forward_status status;

    TAILQ_FOREACH (f, &fs->list, link) {
        forward_describe(f, &status);
        each(arg, &status);
    }
}

/* Which addresses are listened on, and which worker accepts at each. */
#include "gateway/listeners.h"

#include "base/mem.h"
#include "io/passed_sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* One address that is listened on. */
struct listen_socket {
    TAILQ_ENTRY(listen_socket) link;
    struct listener *listener;
    struct accept_duty *duty;        /* NULL: no worker accepts yet */
    unsigned worker;                 /* the index of the worker that has the duty */
    struct listener_address address; /* (its path is a copy) */
    const struct config_listen *listen;
    const struct config_listen *next_listen; /* while changing; NULL: it will be closed */
};

struct listeners {
    struct workers *workers;
    TAILQ_HEAD(, listen_socket) sockets;
};

struct listeners *listeners_new(struct workers *workers)
{
    struct listeners *l = mem_zalloc(sizeof(*l));

    l->workers = workers;
    TAILQ_INIT(&l->sockets);
    return l;
}

/* (The socket is shut down first: from then on the kernel refuses connections, whatever the worker
 * is doing.) */
static void listen_socket_close(struct listeners *l, struct listen_socket *s)
{
    TAILQ_REMOVE(&l->sockets, s, link);
    listener_close(s->listener);
    accept_duty_recall(s->duty);
    free((char *)s->address.path);
    free(s);
}

/* Why an address of `listen` cannot be listened on: an errno, and words for it. */
struct listen_failure {
    int why;
    char words[400];
};

/* (On a command line in ssh's words.) */
static void format_failure(const struct config *config, const struct config_listen *listen,
                           const struct config_address *address,
                           const struct listen_failure *failure,
                           char error[static LISTENERS_ERROR_MAX])
{
    char ip[IP_TEXT_MAX];

    const char *advice = failure->why != EADDRINUSE ? ""
                         : address->is_unix         ? " (`ss -xlp` shows who listens there)"
                                                    : " (`ss -tlnp` shows who listens there)";

    if (config->file != NULL)
        snprintf(error, LISTENERS_ERROR_MAX, "listen %s: %s%s", listen->name, failure->words,
                 advice);
    else if (address->is_unix)
        snprintf(error, LISTENERS_ERROR_MAX, "bind %s: %s%s", address->path, strerror(failure->why),
                 advice);
    else
        snprintf(error, LISTENERS_ERROR_MAX, "bind [%s]:%u: %s%s", ip_format(&address->ip, ip),
                 address->port, strerror(failure->why), advice);
}

/* One socket of a listener. */
struct wanted_socket {
    const struct config_listen *listen;
    const struct config_address *address;
    unsigned index; /* of several that were passed under one name */
};

/* Opens an address that was not listened on before. Its `listen` stays NULL until the change has
 * succeeded, so that it is closed if the change fails. */
static bool listen_socket_open(struct listeners *l, const struct config *config,
                               const struct wanted_socket *wanted, struct listen_failure *failure)
{
    struct listen_socket *s = mem_zalloc(sizeof(*s));
    const struct config_address *address = wanted->address;

    s->next_listen = wanted->listen;
    s->address = (struct listener_address){
        .is_unix = address->is_unix,
        .is_passed = address->is_passed,
        .index = wanted->index,
        .path = mem_strdup(address->path),
        .mode = 0777 & ~config->gateway.stream_local_bind_mask,
        .unlink = config->gateway.stream_local_bind_unlink,
        .ip = address->ip,
        .port = address->port,
    };
    TAILQ_INSERT_TAIL(&l->sockets, s, link);
    s->listener = listener_new(&s->address, failure->words, sizeof(failure->words));
    if (s->listener == NULL) {
        failure->why = errno;
        listen_socket_close(l, s);
        return false;
    }
    log_info("listening on %s (listen %s)", listener_name(s->listener), wanted->listen->name);
    return true;
}

static struct listen_socket *find_listen_socket(struct listeners *l,
                                                const struct wanted_socket *wanted)
{
    const struct config_address *address = wanted->address;
    struct listen_socket *s;

    TAILQ_FOREACH (s, &l->sockets, link) {
        if (s->next_listen != NULL || s->address.is_unix != address->is_unix ||
            s->address.is_passed != address->is_passed || s->address.index != wanted->index)
            continue;
        if (address->is_unix || address->is_passed
                ? strcmp(s->address.path, address->path) == 0
                : ip_equal(&s->address.ip, &address->ip) && s->address.port == address->port)
            return s;
    }
    return NULL;
}

/* Marks the socket as wanted, or opens it. */
static bool prepare_socket(struct listeners *l, const struct config *config,
                           const struct wanted_socket *wanted, struct listen_failure *failure)
{
    struct listen_socket *s = find_listen_socket(l, wanted);

    if (s == NULL)
        return listen_socket_open(l, config, wanted, failure);
    s->next_listen = wanted->listen;
    return true;
}

/* The same for the address, which may be that of several sockets that were passed. */
static bool prepare_address(struct listeners *l, const struct config *config,
                            struct wanted_socket *wanted, struct listen_failure *failure)
{
    const struct config_address *address = wanted->address;
    size_t count = address->is_passed ? passed_sockets_count(address->path) : 1;
    bool opened = true;

    do
        opened = prepare_socket(l, config, wanted, failure) && opened;
    while (++wanted->index < count);
    return opened;
}

/* The same for every address of one listener. */
static bool prepare_one(struct listeners *l, const struct config *config,
                        const struct config_listen *listen, bool either_family,
                        char error[static LISTENERS_ERROR_MAX])
{
    size_t there = 0;
    bool ok = true;

    for (size_t k = 0; k < listen->address_count; k++) {
        const struct config_address *address = &listen->addresses[k];
        struct wanted_socket wanted = {.listen = listen, .address = address};
        struct listen_failure failure = {0};
        bool opened = prepare_address(l, config, &wanted, &failure);
        there += opened;
        if (opened || !ok)
            continue; /* (only the first failure is reported) */
        format_failure(config, listen, address, &failure, error);
        ok = (either_family || address->optional) &&
             (failure.why == EAFNOSUPPORT || failure.why == EADDRNOTAVAIL);
    }
    return ok && there > 0;
}

/* Whether adit goes on without this forward (ssh_config(5), ExitOnForwardFailure). */
static bool dispensable(const struct config *config, const struct config_listen *listen)
{
    const struct config_upstream *upstream = config_upstream(config, listen->via);

    return config->file == NULL && !upstream->exit_on_forward_failure;
}

static bool has_remote_forward(const struct config *config)
{
    for (size_t i = 0; i < config->forward_count; i++)
        if (config->forwards[i].kind == FORWARD_REMOTE)
            return true;
    return false;
}

/* Marks or opens the sockets of all listeners. */
static bool prepare_all(struct listeners *l, const struct config *config,
                        char error[static LISTENERS_ERROR_MAX])
{
    bool any = has_remote_forward(config);
    bool missing = false; /* an address cannot be listened on ... */
    bool needed = false;  /* ... without which adit must not go on */
    const struct config_listen *listen;

    for (size_t i = 0; (listen = config_listen_at(config, i)) != NULL; i++) {
        char words[LISTENERS_ERROR_MAX];
        if (prepare_one(l, config, listen, i >= config->listen_count, words)) {
            any = true;
            continue;
        }
        if (missing)
            log_line(needed ? ADIT_LOG_ERROR : ADIT_LOG_WARNING, "%s", error);
        memcpy(error, words, sizeof(words));
        missing = true;
        needed = needed || !dispensable(config, listen);
    }
    if (missing && any && !needed)
        log_warning("%s", error);
    return !missing || (any && !needed);
}

bool listeners_change(struct listeners *l, const struct config *config,
                      char error[static LISTENERS_ERROR_MAX])
{
    bool all = prepare_all(l, config, error);
    struct listen_socket *s = TAILQ_FIRST(&l->sockets);

    while (s != NULL) {
        struct listen_socket *next = TAILQ_NEXT(s, link);
        if (all)
            s->listen = s->next_listen;
        s->next_listen = NULL;
        if (s->listen == NULL)
            listen_socket_close(l, s);
        s = next;
    }
    return all;
}

/* Which worker accepts. */

static bool has_session(const struct session_table *table, unsigned worker)
{
    int used = atomic_load(&table->used);

    for (int i = 0; i < used; i++)
        if (session_table_slot_state(table, i) == SLOT_UP &&
            atomic_load(&table->slots[i].worker) == (int)worker)
            return true;
    return false;
}

/* At how many other sockets a worker accepts. */
static unsigned other_duties(const struct listeners *l, const struct listen_socket *s,
                             unsigned worker)
{
    const struct listen_socket *other;
    unsigned count = 0;

    TAILQ_FOREACH (other, &l->sockets, link)
        count += other != s && other->duty != NULL && other->worker == worker;
    return count;
}

/* The worker that is to accept at a socket: one that has a session of the socket's upstream,
 * because most connections need not be handed to another worker there. Among several, the one that
 * accepts at the fewest other sockets; among equals, the one that has the duty. While no worker has
 * a session, the duty stays where it is, or goes to the worker with the fewest. */
static unsigned worker_for_socket(const struct listeners *l, const struct listen_socket *s,
                                  const struct session_table *table)
{
    unsigned workers = l->workers->count;
    unsigned best = s->worker;
    bool best_has = has_session(table, best);
    unsigned fewest = other_duties(l, s, best);

    for (unsigned k = 1; k < workers; k++) {
        unsigned worker = (s->worker + k) % workers;
        bool has = has_session(table, worker);
        unsigned duties = other_duties(l, s, worker);
        bool emptier = duties < fewest && (has || s->duty == NULL);
        if (has == best_has ? emptier : has) {
            best = worker;
            best_has = has;
            fewest = duties;
        }
    }
    return best;
}

/* (While a duty goes from one worker to another both may accept for a moment, or neither; a
 * connection that comes then waits in the kernel's queue.) */
void listeners_assign(struct listeners *l, struct generation *generation)
{
    bool changed = atomic_load(&l->workers->serial) != generation->serial;
    struct listen_socket *s;

    TAILQ_FOREACH (s, &l->sockets, link) {
        struct accept_duty *before = s->duty;
        struct session_table *table;
        unsigned worker;
        generation_upstream(generation, s->listen->via, &table);
        worker = worker_for_socket(l, s, table);
        if (before != NULL && changed)
            accept_duty_change(before, generation, s->listen);
        if (before == NULL || worker != s->worker) {
            s->duty = accept_duty_send(l->workers->all[worker], s->listener, generation, s->listen);
            accept_duty_recall(before);
            log_debug("%s: worker %u accepts", listener_name(s->listener), worker);
        }
        s->worker = worker;
    }
    atomic_store(&l->workers->serial, generation->serial);
    if (changed)
        workers_send_end_idle(l->workers);
}

void listeners_each(const struct listeners *l,
                    void (*each)(void *arg, const struct config_listen *listen,
                                 const char *address),
                    void *arg)
{
    const struct listen_socket *s;

    TAILQ_FOREACH (s, &l->sockets, link)
        each(arg, s->listen, listener_name(s->listener));
}

void listeners_close(struct listeners *l)
{
    while (!TAILQ_EMPTY(&l->sockets))
        listen_socket_close(l, TAILQ_FIRST(&l->sockets));
}

void listeners_free(struct listeners *l)
{
    if (l == NULL)
        return;
    listeners_close(l);
    free(l);
}

/* Which addresses are listened on, and who accepts there. */
#include "gateway/listeners.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* One address. */
struct listen_socket {
    TAILQ_ENTRY(listen_socket) link;
    struct listener *listener;
    struct accept_duty *duty;        /* who accepts; NULL: nobody yet */
    unsigned worker;                 /* whose accept duty that is: an index of the workers' */
    struct listener_address address; /* `path` is its own */
    const struct config_listen *listen;
    const struct config_listen *next_listen; /* while changing; NULL: it will be closed */
};

struct listeners {
    struct workers *workers;
    TAILQ_HEAD(, listen_socket) listen_sockets;
};

struct listeners *listeners_new(struct workers *workers)
{
    struct listeners *l = mem_zalloc(sizeof(*l));

    l->workers = workers;
    TAILQ_INIT(&l->listen_sockets);
    return l;
}

/* (The kernel hears of it first: nobody can connect any more, whatever the accept duty is busy
 * with.) */
static void listen_socket_close(struct listeners *l, struct listen_socket *listen_socket)
{
    TAILQ_REMOVE(&l->listen_sockets, listen_socket, link);
    listener_close(listen_socket->listener);
    accept_duty_recall(listen_socket->duty);
    free((char *)listen_socket->address.path);
    free(listen_socket);
}

/* In ssh's words where they are ssh's users that read them. */
static void describe(const struct config *config, const struct config_listen *listen,
                     const struct config_address *address, int why, const char *words,
                     char error[static LISTENERS_ERROR_MAX])
{
    char ip[IP_TEXT_MAX];

    if (config->file != NULL)
        snprintf(error, LISTENERS_ERROR_MAX, "listen %s: %s", listen->name, words);
    else if (address->is_unix)
        snprintf(error, LISTENERS_ERROR_MAX, "bind %s: %s", address->path, strerror(why));
    else
        snprintf(error, LISTENERS_ERROR_MAX, "bind [%s]:%u: %s", ip_format(&address->ip, ip),
                 address->port, strerror(why));
}

/* Opens an address that nobody listened on before; it comes without a `listen`, and so is closed
 * again if the change fails. Returns 0, or an errno with words. */
static int listen_socket_open(struct listeners *l, const struct config *config,
                              const struct config_address *address,
                              const struct config_listen *listen, char *error, size_t error_size)
{
    struct listen_socket *listen_socket = mem_zalloc(sizeof(*listen_socket));

    listen_socket->next_listen = listen;
    listen_socket->address = (struct listener_address){
        .is_unix = address->is_unix,
        .path = mem_strdup(address->path),
        .mode = 0777 & ~config->gateway.stream_local_bind_mask,
        .unlink = config->gateway.stream_local_bind_unlink,
        .ip = address->ip,
        .port = address->port,
    };
    TAILQ_INSERT_TAIL(&l->listen_sockets, listen_socket, link);
    listen_socket->listener = listener_new(&listen_socket->address, error, error_size);
    if (listen_socket->listener == NULL) {
        int why = errno;
        listen_socket_close(l, listen_socket);
        return why;
    }
    log_info("listening on %s (listen %s)", listener_name(listen_socket->listener), listen->name);
    return 0;
}

static struct listen_socket *find_listen_socket(struct listeners *l,
                                                const struct config_address *address)
{
    struct listen_socket *listen_socket;

    TAILQ_FOREACH (listen_socket, &l->listen_sockets, link) {
        if (listen_socket->next_listen != NULL ||
            listen_socket->address.is_unix != address->is_unix)
            continue;
        if (address->is_unix ? strcmp(listen_socket->address.path, address->path) == 0
                             : ip_equal(&listen_socket->address.ip, &address->ip) &&
                                   listen_socket->address.port == address->port)
            return listen_socket;
    }
    return NULL;
}

/* Marks or opens a listen socket for every address of one listener. */
static bool prepare_one(struct listeners *l, const struct config *config,
                        const struct config_listen *listen, bool either_family,
                        char error[static LISTENERS_ERROR_MAX])
{
    size_t there = 0;
    bool ok = true;

    for (size_t k = 0; k < listen->address_count; k++) {
        const struct config_address *address = &listen->addresses[k];
        struct listen_socket *listen_socket = find_listen_socket(l, address);
        char words[400];
        int why = 0;
        if (listen_socket != NULL)
            listen_socket->next_listen = listen;
        else
            why = listen_socket_open(l, config, address, listen, words, sizeof(words));
        there += why == 0;
        if (why == 0 || !ok)
            continue; /* the first failure is told */
        describe(config, listen, address, why, words, error);
        ok = (either_family || address->optional) && (why == EAFNOSUPPORT || why == EADDRNOTAVAIL);
    }
    return ok && there > 0;
}

/* Whether the whole goes on without this forward. */
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

/* All of them. */
static bool prepare(struct listeners *l, const struct config *config,
                    char error[static LISTENERS_ERROR_MAX])
{
    bool any = has_remote_forward(config);
    bool needed = false; /* what is missing is */
    bool missing = false;
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
    bool all = prepare(l, config, error);
    struct listen_socket *listen_socket = TAILQ_FIRST(&l->listen_sockets);

    while (listen_socket != NULL) {
        struct listen_socket *next = TAILQ_NEXT(listen_socket, link);
        if (all)
            listen_socket->listen = listen_socket->next_listen;
        listen_socket->next_listen = NULL;
        if (listen_socket->listen == NULL)
            listen_socket_close(l, listen_socket);
        listen_socket = next;
    }
    return all;
}

/* Who accepts. */

static bool has_session(const struct session_table *table, unsigned worker)
{
    int used = atomic_load(&table->used);

    for (int i = 0; i < used; i++)
        if (session_table_slot_state(table, i) == SLOT_UP &&
            atomic_load(&table->slots[i].worker) == (int)worker)
            return true;
    return false;
}

/* How many other listen sockets a worker keeps. */
static unsigned other_listen_sockets(const struct listeners *l,
                                     const struct listen_socket *listen_socket, unsigned worker)
{
    const struct listen_socket *other;
    unsigned count = 0;

    TAILQ_FOREACH (other, &l->listen_sockets, link)
        count += other != listen_socket && other->duty != NULL && other->worker == worker;
    return count;
}

/* Which worker shall keep a listen socket: of those that have a session of its upstream, as most
 * who come in need not be handed on there, the one with the fewest other listen sockets; among
 * equals whoever keeps it. While nobody has one, whoever keeps it; and if nobody does yet, the one
 * with the fewest. */
static unsigned choose_worker(const struct listeners *l, const struct listen_socket *listen_socket,
                              const struct session_table *table)
{
    unsigned workers = l->workers->count;
    unsigned best = listen_socket->worker;
    bool best_has = has_session(table, best);
    unsigned fewest = other_listen_sockets(l, listen_socket, best);

    for (unsigned k = 1; k < workers; k++) {
        unsigned worker = (listen_socket->worker + k) % workers;
        bool has = has_session(table, worker);
        unsigned listen_sockets = other_listen_sockets(l, listen_socket, worker);
        bool emptier = listen_sockets < fewest && (has || listen_socket->duty == NULL);
        if (has == best_has ? emptier : has) {
            best = worker;
            best_has = has;
            fewest = listen_sockets;
        }
    }
    return best;
}

/* (While a listen socket changes hands two may accept for a moment, or nobody: who comes then
 * waits.) */
void listeners_assign(struct listeners *l, struct generation *generation)
{
    bool changed = atomic_load(&l->workers->serial) != generation->serial;
    struct listen_socket *listen_socket;

    TAILQ_FOREACH (listen_socket, &l->listen_sockets, link) {
        struct accept_duty *before = listen_socket->duty;
        struct session_table *table;
        unsigned worker;
        generation_upstream(generation, listen_socket->listen->via, &table);
        worker = choose_worker(l, listen_socket, table);
        if (before != NULL && changed)
            accept_duty_change(before, generation, listen_socket->listen);
        if (before == NULL || worker != listen_socket->worker) {
            listen_socket->duty = accept_duty_send(l->workers->all[worker], listen_socket->listener,
                                                   generation, listen_socket->listen);
            accept_duty_recall(before);
            log_debug("%s: worker %u accepts", listener_name(listen_socket->listener), worker);
        }
        listen_socket->worker = worker;
    }
    atomic_store(&l->workers->serial, generation->serial);
}

void listeners_each(const struct listeners *l,
                    void (*each)(void *arg, const struct config_listen *listen,
                                 const char *address),
                    void *arg)
{
    const struct listen_socket *listen_socket;

    TAILQ_FOREACH (listen_socket, &l->listen_sockets, link)
        each(arg, listen_socket->listen, listener_name(listen_socket->listener));
}

void listeners_close(struct listeners *l)
{
    while (!TAILQ_EMPTY(&l->listen_sockets))
        listen_socket_close(l, TAILQ_FIRST(&l->listen_sockets));
}

void listeners_free(struct listeners *l)
{
    if (l == NULL)
        return;
    listeners_close(l);
    free(l);
}

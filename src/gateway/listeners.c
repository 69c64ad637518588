/* Which addresses are listened on, and who accepts there. */
#include "gateway/listeners.h"

#include "base/mem.h"
#include "worker/accept_duty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* One address. */
struct door {
    TAILQ_ENTRY(door) link;
    struct listener *listener;
    struct porter *porter;           /* who accepts; NULL: nobody yet */
    unsigned worker;                 /* whose porter that is: an index of the crew's */
    struct listener_address address; /* `path` is its own */
    const struct config_listen *listen;
    const struct config_listen *next_listen; /* while changing; NULL: it will be closed */
};

struct listeners {
    struct crew *crew;
    TAILQ_HEAD(, door) doors;
};

struct listeners *listeners_new(struct crew *crew)
{
    struct listeners *l = mem_zalloc(sizeof(*l));

    l->crew = crew;
    TAILQ_INIT(&l->doors);
    return l;
}

/* (The kernel hears of it first: nobody can connect any more, whatever the porter is busy with.) */
static void door_close(struct listeners *l, struct door *door)
{
    TAILQ_REMOVE(&l->doors, door, link);
    listener_close(door->listener);
    porter_recall(door->porter);
    free((char *)door->address.path);
    free(door);
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
static int door_open(struct listeners *l, const struct config *config,
                     const struct config_address *address, const struct config_listen *listen,
                     char *error, size_t error_size)
{
    struct door *door = mem_zalloc(sizeof(*door));

    door->next_listen = listen;
    door->address = (struct listener_address){
        .is_unix = address->is_unix,
        .path = mem_strdup(address->path),
        .mode = 0777 & ~config->gateway.stream_local_bind_mask,
        .unlink = config->gateway.stream_local_bind_unlink,
        .ip = address->ip,
        .port = address->port,
    };
    TAILQ_INSERT_TAIL(&l->doors, door, link);
    door->listener = listener_new(&door->address, error, error_size);
    if (door->listener == NULL) {
        int why = errno;
        door_close(l, door);
        return why;
    }
    log_info("listening on %s (listen %s)", listener_name(door->listener), listen->name);
    return 0;
}

static struct door *find_door(struct listeners *l, const struct config_address *address)
{
    struct door *door;

    TAILQ_FOREACH (door, &l->doors, link) {
        if (door->next_listen != NULL || door->address.is_unix != address->is_unix)
            continue;
        if (address->is_unix
                ? strcmp(door->address.path, address->path) == 0
                : ip_equal(&door->address.ip, &address->ip) && door->address.port == address->port)
            return door;
    }
    return NULL;
}

/* Marks or opens a door for every address of one listener. */
static bool prepare_one(struct listeners *l, const struct config *config,
                        const struct config_listen *listen, bool either_family,
                        char error[static LISTENERS_ERROR_MAX])
{
    size_t there = 0;
    bool ok = true;

    for (size_t k = 0; k < listen->address_count; k++) {
        const struct config_address *address = &listen->addresses[k];
        struct door *door = find_door(l, address);
        char words[400];
        int why = 0;
        if (door != NULL)
            door->next_listen = listen;
        else
            why = door_open(l, config, address, listen, words, sizeof(words));
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
            log_line(needed ? LOG_ERROR : LOG_WARNING, "%s", error);
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
    struct door *door = TAILQ_FIRST(&l->doors);

    while (door != NULL) {
        struct door *next = TAILQ_NEXT(door, link);
        if (all)
            door->listen = door->next_listen;
        door->next_listen = NULL;
        if (door->listen == NULL)
            door_close(l, door);
        door = next;
    }
    return all;
}

/* Who accepts. */

static bool has_session(const struct board *board, unsigned worker)
{
    int used = atomic_load(&board->used);

    for (int i = 0; i < used; i++)
        if (board_slot_state(board, i) == SLOT_UP &&
            atomic_load(&board->slots[i].worker) == (int)worker)
            return true;
    return false;
}

/* How many other doors a worker keeps. */
static unsigned other_doors(const struct listeners *l, const struct door *door, unsigned worker)
{
    const struct door *other;
    unsigned count = 0;

    TAILQ_FOREACH (other, &l->doors, link)
        count += other != door && other->porter != NULL && other->worker == worker;
    return count;
}

/* Which worker shall keep a door: of those that have a session of its upstream, as most who come in
 * need not be handed on there, the one with the fewest other doors; among equals whoever keeps it.
 * While nobody has one, whoever keeps it; and if nobody does yet, the one with the fewest. */
static unsigned choose_porter(const struct listeners *l, const struct door *door,
                              const struct board *board)
{
    unsigned workers = l->crew->worker_count;
    unsigned best = door->worker;
    bool best_has = has_session(board, best);
    unsigned fewest = other_doors(l, door, best);

    for (unsigned k = 1; k < workers; k++) {
        unsigned worker = (door->worker + k) % workers;
        bool has = has_session(board, worker);
        unsigned doors = other_doors(l, door, worker);
        bool emptier = doors < fewest && (has || door->porter == NULL);
        if (has == best_has ? emptier : has) {
            best = worker;
            best_has = has;
            fewest = doors;
        }
    }
    return best;
}

/* (While a door changes hands two may accept for a moment, or nobody: who comes then waits.) */
void listeners_assign(struct listeners *l, struct generation *generation)
{
    bool changed = atomic_load(&l->crew->serial) != generation->serial;
    struct door *door;

    TAILQ_FOREACH (door, &l->doors, link) {
        struct porter *before = door->porter;
        struct board *board;
        unsigned worker;
        generation_upstream(generation, door->listen->via, &board);
        worker = choose_porter(l, door, board);
        if (before != NULL && changed)
            porter_change(before, generation, door->listen);
        if (before == NULL || worker != door->worker) {
            door->porter =
                porter_send(l->crew->workers[worker], door->listener, generation, door->listen);
            porter_recall(before);
            log_debug("%s: worker %u accepts", listener_name(door->listener), worker);
        }
        door->worker = worker;
    }
    atomic_store(&l->crew->serial, generation->serial);
}

void listeners_each(const struct listeners *l,
                    void (*each)(void *arg, const struct config_listen *listen,
                                 const char *address),
                    void *arg)
{
    const struct door *door;

    TAILQ_FOREACH (door, &l->doors, link)
        each(arg, door->listen, listener_name(door->listener));
}

void listeners_close(struct listeners *l)
{
    while (!TAILQ_EMPTY(&l->doors))
        door_close(l, TAILQ_FIRST(&l->doors));
}

void listeners_free(struct listeners *l)
{
    if (l == NULL)
        return;
    listeners_close(l);
    free(l);
}

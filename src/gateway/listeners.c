/* Which addresses are listened on. */
#include "gateway/listeners.h"

#include "base/mem.h"
#include "io/acceptor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* One address. */
struct door {
    TAILQ_ENTRY(door) link;
    struct listeners *listeners;
    struct listener *listener;
    struct acceptor *acceptor;
    struct listener_address address; /* `path` is its own */
    const struct config_listen *listen;
    const struct config_listen *next_listen; /* while changing; NULL: it will be closed */
};

struct listeners {
    struct loop *loop;
    void (*accepted)(void *arg, const struct config_listen *listen, int fd, const struct ip *peer,
                     uint16_t peer_port);
    void *arg;
    TAILQ_HEAD(, door) doors;
};

struct listeners *listeners_new(struct loop *loop,
                                void (*accepted)(void *arg, const struct config_listen *listen,
                                                 int fd, const struct ip *peer, uint16_t peer_port),
                                void *arg)
{
    struct listeners *l = mem_zalloc(sizeof(*l));

    l->loop = loop;
    l->accepted = accepted;
    l->arg = arg;
    TAILQ_INIT(&l->doors);
    return l;
}

static void door_accepted(void *arg, int fd, const struct ip *peer, uint16_t peer_port)
{
    struct door *door = arg;

    door->listeners->accepted(door->listeners->arg, door->listen, fd, peer, peer_port);
}

static void door_close(struct door *door)
{
    TAILQ_REMOVE(&door->listeners->doors, door, link);
    acceptor_free(door->acceptor);
    listener_close(door->listener);
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

    door->listeners = l;
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
        door_close(door);
        return why;
    }
    door->acceptor = acceptor_new(l->loop, door->listener, false, door_accepted, door);
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
            door_close(door);
        door = next;
    }
    return all;
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
        door_close(TAILQ_FIRST(&l->doors));
}

void listeners_free(struct listeners *l)
{
    if (l == NULL)
        return;
    listeners_close(l);
    free(l);
}

/* Which addresses are listened on. */
#include "gateway/listeners.h"

#include "base/mem.h"
#include "io/listener.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* One address. */
struct door {
    TAILQ_ENTRY(door) link;
    struct listeners *listeners;
    struct listener *listener;
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
    listener_free(door->listener);
    free((char *)door->address.path);
    free(door);
}

/* Opens an address that nobody listened on before; it comes without a `listen`, and so is closed
 * again if the change fails. */
static bool door_open(struct listeners *l, const struct config_address *address,
                      const struct config_listen *listen)
{
    struct door *door = mem_zalloc(sizeof(*door));
    char error[512];

    door->listeners = l;
    door->next_listen = listen;
    door->address = (struct listener_address){
        .is_unix = address->is_unix,
        .path = mem_strdup(address->path),
        .ip = address->ip,
        .port = address->port,
    };
    TAILQ_INSERT_TAIL(&l->doors, door, link);
    door->listener =
        listener_new(l->loop, &door->address, door_accepted, door, error, sizeof(error));
    if (door->listener == NULL) {
        log_error("listen %s: %s", listen->name, error);
        return false;
    }
    log_info("listening on %s (listen %s)", listener_name(door->listener), listen->name);
    return true;
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

/* Marks or opens a door for every address. */
static bool prepare(struct listeners *l, const struct config *config)
{
    bool all = true;
    const struct config_listen *listen;

    for (size_t i = 0; (listen = config_listen_at(config, i)) != NULL; i++) {
        for (size_t k = 0; k < listen->address_count; k++) {
            struct door *door = find_door(l, &listen->addresses[k]);
            if (door != NULL)
                door->next_listen = listen;
            else if (!door_open(l, &listen->addresses[k], listen))
                all = false;
        }
    }
    return all;
}

bool listeners_change(struct listeners *l, const struct config *config)
{
    bool all = prepare(l, config);
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

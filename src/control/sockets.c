/* The listening sockets of control/, which change all at once or not at all. */
#include "control/sockets.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct control_socket {
    struct control_sockets *sockets;
    struct listener *listener;
    struct acceptor *acceptor;
    char *path;
    char *via;
};

/* One place of a set: its socket, and the upstream that it has once the set is in use. */
struct control_entry {
    struct control_socket *socket;
    char *via;
};

struct control_set {
    struct control_entry *entries;
    size_t count;
};

struct control_sockets {
    struct loop *loop;
    control_accepted_fn *accepted;
    void *arg;
    struct control_set set;
    struct control_set prepared; /* if `changes` */
    bool changes;
};

static void socket_close_path(struct control_socket *socket)
{
    acceptor_free(socket->acceptor);
    listener_close(socket->listener);
    free(socket->path);
    free(socket->via);
    free(socket);
}

static void on_socket_accepted(void *arg, const struct accepted *connection)
{
    const struct control_socket *socket = arg;

    socket->sockets->accepted(socket->sockets->arg, connection, socket->via);
}

static struct control_socket *open_place(struct control_sockets *sockets, const char *path,
                                         char *error, size_t error_size)
{
    struct listener_address at = {.is_unix = true, .path = path, .mode = 0600};
    struct listener *listener = listener_new(&at, error, error_size);
    struct control_socket *socket;

    if (listener == NULL)
        return NULL;
    socket = mem_zalloc(sizeof(*socket));
    socket->sockets = sockets;
    socket->path = mem_strdup(path);
    socket->listener = listener;
    socket->acceptor = acceptor_new(sockets->loop, listener, true, on_socket_accepted, socket);
    return socket;
}

static struct control_socket *find_path(const struct control_set *set, const char *path)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->entries[i].socket->path, path) == 0)
            return set->entries[i].socket;
    return NULL;
}

/* Forgets a set, and closes the sockets that `other` has not. */
static void drop_set(struct control_set *set, const struct control_set *other)
{
    for (size_t i = 0; i < set->count; i++) {
        if (find_path(other, set->entries[i].socket->path) != set->entries[i].socket)
            socket_close_path(set->entries[i].socket);
        free(set->entries[i].via);
    }
    free(set->entries);
    *set = (struct control_set){0};
}

struct control_sockets *control_sockets_new(struct loop *loop, control_accepted_fn *accepted,
                                            void *arg)
{
    struct control_sockets *sockets = mem_zalloc(sizeof(*sockets));

    sockets->loop = loop;
    sockets->accepted = accepted;
    sockets->arg = arg;
    return sockets;
}

bool control_sockets_prepare(struct control_sockets *sockets, const struct control_place *places,
                             size_t count, size_t *failed, char *error, size_t error_size)
{
    struct control_set *set = &sockets->prepared;

    assert(!sockets->changes && "a change is ended before the next one");
    set->entries = mem_zalloc((count + 1) * sizeof(*set->entries));
    for (size_t i = 0; i < count; i++) {
        struct control_socket *socket = find_path(&sockets->set, places[i].path);
        if (socket == NULL)
            socket = open_place(sockets, places[i].path, error, error_size);
        if (socket == NULL) {
            *failed = i;
            drop_set(set, &sockets->set);
            return false;
        }
        set->entries[set->count++] = (struct control_entry){
            .socket = socket, .via = places[i].via != NULL ? mem_strdup(places[i].via) : NULL};
    }
    sockets->changes = true;
    return true;
}

void control_sockets_commit(struct control_sockets *sockets, bool keep_new)
{
    struct control_set old = sockets->set;

    if (!sockets->changes)
        return;
    sockets->changes = false;
    if (keep_new) {
        sockets->set = sockets->prepared;
        sockets->prepared = old;
        for (size_t i = 0; i < sockets->set.count; i++) {
            struct control_entry *entry = &sockets->set.entries[i];
            free(entry->socket->via);
            entry->socket->via = entry->via;
            entry->via = NULL;
        }
    }
    drop_set(&sockets->prepared, &sockets->set);
}

void control_sockets_free(struct control_sockets *sockets)
{
    const struct control_set none = {0};

    if (sockets == NULL)
        return;
    control_sockets_commit(sockets, false);
    drop_set(&sockets->set, &none);
    free(sockets);
}

/* The listening sockets of control/. */
#include "control/sockets.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct control_socket {
    TAILQ_ENTRY(control_socket) link;
    struct control_sockets *sockets;
    uint32_t id; /* the keeper's */
    struct listener *listener;
    struct acceptor *acceptor;
    char *via;
    bool wanted; /* while changing */
};

struct control_sockets {
    struct loop *loop;
    control_accepted_fn *accepted;
    void *arg;
    TAILQ_HEAD(, control_socket) all;
};

static void control_socket_close(struct control_socket *socket)
{
    TAILQ_REMOVE(&socket->sockets->all, socket, link);
    acceptor_free(socket->acceptor);
    listener_close(socket->listener);
    free(socket->via);
    free(socket);
}

static void on_socket_accepted(void *arg, const struct accepted *connection)
{
    const struct control_socket *socket = arg;

    socket->sockets->accepted(socket->sockets->arg, connection, socket->via);
}

struct control_sockets *control_sockets_new(struct loop *loop, control_accepted_fn *accepted,
                                            void *arg)
{
    struct control_sockets *sockets = mem_zalloc(sizeof(*sockets));

    sockets->loop = loop;
    sockets->accepted = accepted;
    sockets->arg = arg;
    TAILQ_INIT(&sockets->all);
    return sockets;
}

static struct control_socket *control_socket_find(struct control_sockets *sockets, uint32_t id)
{
    struct control_socket *socket;

    TAILQ_FOREACH (socket, &sockets->all, link)
        if (socket->id == id)
            return socket;
    return NULL;
}

static struct control_socket *control_socket_add(struct control_sockets *sockets,
                                                 struct given_socket *given)
{
    struct control_socket *socket = mem_zalloc(sizeof(*socket));

    socket->sockets = sockets;
    socket->id = given->id;
    socket->listener = given->listener;
    given->listener = NULL;
    socket->acceptor =
        acceptor_new(sockets->loop, socket->listener, true, on_socket_accepted, socket);
    TAILQ_INSERT_TAIL(&sockets->all, socket, link);
    return socket;
}

/* (The name of a listener at a path is "unix:" and the path.) */
static char *via_at(const struct control_socket *socket, control_via_fn *via, void *arg)
{
    const char *name = listener_name(socket->listener);

    return via != NULL ? mem_strdup(via(arg, name + strlen("unix:"))) : NULL;
}

void control_sockets_change(struct control_sockets *sockets, struct given_socket *given,
                            size_t count, control_via_fn *via, void *arg)
{
    struct control_socket *socket;

    for (size_t i = 0; i < count; i++) {
        socket = given[i].listener != NULL ? control_socket_add(sockets, &given[i])
                                           : control_socket_find(sockets, given[i].id);
        if (socket == NULL)
            continue;
        socket->wanted = true;
        free(socket->via);
        socket->via = via_at(socket, via, arg);
    }
    socket = TAILQ_FIRST(&sockets->all);
    while (socket != NULL) {
        struct control_socket *next = TAILQ_NEXT(socket, link);
        bool wanted = socket->wanted;
        socket->wanted = false;
        if (!wanted)
            control_socket_close(socket);
        socket = next;
    }
}

void control_sockets_leave(struct control_sockets *sockets)
{
    struct control_socket *socket;

    TAILQ_FOREACH (socket, &sockets->all, link)
        listener_leave(socket->listener);
}

void control_sockets_free(struct control_sockets *sockets)
{
    if (sockets == NULL)
        return;
    control_sockets_change(sockets, NULL, 0, NULL, NULL);
    free(sockets);
}

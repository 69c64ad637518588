/* The addresses of the status server, and its clients as a whole. */
#include "status/server.h"

#include "base/mem.h"
#include "io/acceptor.h"
#include "status/server_parts.h"

#include <stdlib.h>

#define CREDENTIALS_KEPT 64
#define CREDENTIALS_KEPT_MS (UINT64_C(5) * 60 * 1000)

/* One address that is listened on. */
struct status_socket {
    TAILQ_ENTRY(status_socket) link;
    uint32_t id; /* the keeper's */
    struct listener *listener;
    struct acceptor *acceptor;
    bool wanted; /* while changing */
};

static void on_status_accepted(void *arg, const struct accepted *from)
{
    struct status_server *server = arg;

    if (server->count >= STATUS_CLIENTS_MAX)
        status_client_close(TAILQ_FIRST(&server->clients), true);
    status_client_new(server, from);
}

struct status_server *status_server_new(struct loop *loop, struct service *service,
                                        const struct status_source *source)
{
    struct status_server *server = mem_zalloc(sizeof(*server));

    server->loop = loop;
    server->source = *source;
    TAILQ_INIT(&server->sockets);
    TAILQ_INIT(&server->clients);
    server->service = service;
    server->credentials = credential_cache_new(CREDENTIALS_KEPT, CREDENTIALS_KEPT_MS);
    return server;
}

static void status_socket_close(struct status_server *server, struct status_socket *s)
{
    TAILQ_REMOVE(&server->sockets, s, link);
    acceptor_free(s->acceptor);
    listener_close(s->listener);
    free(s);
}

static struct status_socket *status_socket_find(struct status_server *server, uint32_t id)
{
    struct status_socket *s;

    TAILQ_FOREACH (s, &server->sockets, link)
        if (s->id == id)
            return s;
    return NULL;
}

static struct status_socket *status_socket_add(struct status_server *server,
                                               struct given_socket *given)
{
    struct status_socket *s = mem_zalloc(sizeof(*s));

    s->id = given->id;
    s->listener = given->listener;
    given->listener = NULL;
    s->acceptor = acceptor_new(server->loop, s->listener, true, on_status_accepted, server);
    TAILQ_INSERT_TAIL(&server->sockets, s, link);
    log_info("status is served on %s", listener_name(s->listener));
    return s;
}

static void close_clients(struct status_server *server)
{
    while (!TAILQ_EMPTY(&server->clients))
        status_client_close(TAILQ_FIRST(&server->clients), false);
}

static void close_unwanted(struct status_server *server)
{
    struct status_socket *s = TAILQ_FIRST(&server->sockets);

    while (s != NULL) {
        struct status_socket *after = TAILQ_NEXT(s, link);
        bool wanted = s->wanted;
        s->wanted = false;
        if (!wanted)
            status_socket_close(server, s);
        s = after;
    }
}

void status_server_change(struct status_server *server, struct config *config,
                          struct given_socket *given, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct status_socket *s = given[i].listener != NULL
                                      ? status_socket_add(server, &given[i])
                                      : status_socket_find(server, given[i].id);
        if (s != NULL)
            s->wanted = true;
    }
    close_unwanted(server);
    config_ref(config);
    config_unref(server->config);
    server->config = config;
    server->generation++;
    if (!config_has_status(config))
        close_clients(server);
}

void status_server_leave(struct status_server *server)
{
    struct status_socket *s;

    TAILQ_FOREACH (s, &server->sockets, link)
        listener_leave(s->listener);
}

void status_server_free(struct status_server *server)
{
    if (server == NULL)
        return;
    while (!TAILQ_EMPTY(&server->sockets))
        status_socket_close(server, TAILQ_FIRST(&server->sockets));
    close_clients(server);
    credential_cache_free(server->credentials);
    config_unref(server->config);
    free(server);
}

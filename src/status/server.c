/* The addresses of the status server, and its clients as a whole. */
#include "status/server.h"

#include "base/mem.h"
#include "io/acceptor.h"
#include "status/server_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CREDENTIALS_KEPT 64
#define CREDENTIALS_KEPT_MS (UINT64_C(5) * 60 * 1000)

/* One address that is listened on. */
struct status_socket {
    TAILQ_ENTRY(status_socket) link;
    struct config_address address; /* (its path is a copy) */
    struct listener *listener;
    struct acceptor *acceptor;
    bool used;   /* the configuration in use has it */
    bool wanted; /* the next one has it */
};

static void on_status_accepted(void *arg, const struct accepted *from)
{
    struct status_server *server = arg;

    if (server->count >= STATUS_CLIENTS_MAX)
        status_client_close(TAILQ_FIRST(&server->clients), true);
    status_client_new(server, from->fd, !from->from_ip || ip_is_loopback(&from->peer));
}

struct status_server *status_server_new(struct loop *loop, const struct status_source *source)
{
    struct status_server *server = mem_zalloc(sizeof *server);

    server->loop = loop;
    server->source = *source;
    TAILQ_INIT(&server->sockets);
    TAILQ_INIT(&server->clients);
    TAILQ_INIT(&server->logins);
    server->credentials = credential_cache_new(CREDENTIALS_KEPT, CREDENTIALS_KEPT_MS);
    return server;
}

static void status_socket_close(struct status_server *server, struct status_socket *s)
{
    TAILQ_REMOVE(&server->sockets, s, link);
    acceptor_free(s->acceptor);
    listener_close(s->listener);
    free(s->address.path);
    free(s);
}

static struct status_socket *status_socket_find(struct status_server *server,
                                                const struct config_address *address)
{
    struct status_socket *s;

    TAILQ_FOREACH (s, &server->sockets, link) {
        if (s->address.is_unix != address->is_unix ||
            s->address.is_passed != address->is_passed || s->wanted)
            continue;
        if (address->is_unix || address->is_passed
                ? strcmp(s->address.path, address->path) == 0
                : ip_equal(&s->address.ip, &address->ip) && s->address.port == address->port)
            return s;
    }
    return NULL;
}

static bool status_socket_open(struct status_server *server, const struct config_address *address,
                               char *error, size_t error_size)
{
    const struct config_gateway *gateway = &server->next->gateway;
    struct listener_address at = {
        .is_unix = address->is_unix,
        .is_passed = address->is_passed, /* (the first of the name) */
        .path = address->path,
        .mode = 0777 & ~gateway->stream_local_bind_mask,
        .unlink = gateway->stream_local_bind_unlink,
        .ip = address->ip,
        .port = address->port,
    };
    struct listener *listener = listener_new(&at, error, error_size);
    struct status_socket *s;

    if (listener == NULL)
        return false;
    s = mem_zalloc(sizeof *s);
    s->address = *address;
    s->address.path = mem_strdup(address->path);
    s->listener = listener;
    s->wanted = true;
    s->acceptor = acceptor_new(server->loop, listener, true, on_status_accepted, server);
    TAILQ_INSERT_TAIL(&server->sockets, s, link);
    return true;
}

static void close_clients(struct status_server *server)
{
    while (!TAILQ_EMPTY(&server->clients))
        status_client_close(TAILQ_FIRST(&server->clients), false);
}

bool status_server_prepare(struct status_server *server, struct config *config, char *error,
                           size_t error_size)
{
    const struct config_listen *listen = &config->status.listen;

    assert(server->next == NULL && "one change at a time");
    server->next = config_ref(config);
    for (size_t i = 0; i < listen->address_count; i++) {
        struct status_socket *s = status_socket_find(server, &listen->addresses[i]);
        if (s != NULL)
            s->wanted = true;
        else if (!status_socket_open(server, &listen->addresses[i], error, error_size) &&
                 !(listen->addresses[i].optional &&
                   (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)))
            return false;
    }
    return true;
}

void status_server_commit(struct status_server *server, bool keep_new)
{
    struct config *old = keep_new ? server->config : server->next;
    struct status_socket *s = TAILQ_FIRST(&server->sockets);

    if (server->next == NULL)
        return;
    while (s != NULL) {
        struct status_socket *after = TAILQ_NEXT(s, link);
        if (keep_new && s->wanted && !s->used)
            log_info("status is served on %s", listener_name(s->listener));
        s->used = keep_new ? s->wanted : s->used;
        s->wanted = false;
        if (!s->used)
            status_socket_close(server, s);
        s = after;
    }
    if (keep_new) {
        server->config = server->next;
        server->generation++;
    }
    server->next = NULL;
    config_unref(old);
    if (server->config != NULL && !config_has_status(server->config))
        close_clients(server);
}

void status_server_each(const struct status_server *server,
                        void (*each)(void *arg, const char *address), void *arg)
{
    const struct status_socket *s;

    TAILQ_FOREACH (s, &server->sockets, link)
        each(arg, listener_name(s->listener));
}

void status_server_free(struct status_server *server)
{
    if (server == NULL)
        return;
    while (!TAILQ_EMPTY(&server->sockets))
        status_socket_close(server, TAILQ_FIRST(&server->sockets));
    close_clients(server);
    status_logins_free(server);
    credential_cache_free(server->credentials);
    config_unref(server->config);
    config_unref(server->next);
    free(server);
}

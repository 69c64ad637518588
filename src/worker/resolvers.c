/* Which resolver answers, and how DNS gets through the tunnel. */
#include "worker/resolvers.h"

#include "base/mem.h"
#include "worker/client.h"
#include "worker/worker_parts.h"
#include "io/descriptors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A resolver whose queries are connections through an upstream. */
struct tunnel_names {
    LIST_ENTRY(tunnel_names) link;
    struct worker *worker;
    struct generation *generation; /* referenced; whose servers are asked */
    char *via;
    struct resolver *resolver;
};

struct names {
    struct worker *worker;
    struct resolver *local;
    LIST_HEAD(, tunnel_names) tunnels;
};

struct names *names_new(struct worker *worker)
{
    struct names *names = mem_zalloc(sizeof(*names));

    names->worker = worker;
    LIST_INIT(&names->tunnels);
    return names;
}

static void tunnel_free(struct tunnel_names *tunnel)
{
    LIST_REMOVE(tunnel, link);
    resolver_free(tunnel->resolver);
    generation_unref(tunnel->generation);
    free(tunnel->via);
    free(tunnel);
}

void names_free(struct names *names)
{
    if (names == NULL)
        return;
    while (!LIST_EMPTY(&names->tunnels))
        tunnel_free(LIST_FIRST(&names->tunnels));
    resolver_free(names->local);
    free(names);
}

/* A stream to a DNS server: one end of a socketpair, whose other end is a client like any other. */
static int dial_through(void *arg, const struct ip *server, uint16_t port)
{
    struct tunnel_names *tunnel = arg;
    char address[IP_TEXT_MAX];
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    ip_format(server, address);
    if (descriptor_is_reserved(ends[0], DESCRIPTOR_CLIENT) ||
        descriptor_is_reserved(ends[1], DESCRIPTOR_CLIENT) ||
        !client_new_internal(
            tunnel->worker, tunnel->generation,
            &(struct internal_request){.via = tunnel->via, .to = {.host = address, .port = port}},
            ends[1])) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    return ends[0];
}

static struct tunnel_names *tunnel_new(struct names *names, struct generation *generation,
                                       const char *via)
{
    const struct config_resolve *resolve = &generation->config->resolve;
    struct tunnel_names *tunnel = mem_zalloc(sizeof(*tunnel));
    struct resolver_server *servers = mem_zalloc(resolve->server_count * sizeof(*servers));

    for (size_t i = 0; i < resolve->server_count; i++)
        servers[i] = (struct resolver_server){resolve->servers[i].ip, resolve->servers[i].port};
    tunnel->worker = names->worker;
    tunnel->generation = generation_ref(generation);
    tunnel->via = mem_strdup(via);
    tunnel->resolver = resolver_new(names->worker->loop, &(struct resolver_options){
                                                             .servers = servers,
                                                             .server_count = resolve->server_count,
                                                             .dial = dial_through,
                                                             .dial_arg = tunnel,
                                                         });
    free(servers);
    LIST_INSERT_HEAD(&names->tunnels, tunnel, link);
    return tunnel;
}

struct resolver *names_resolver(struct names *names, struct generation *generation,
                                enum resolve_step step, const char *via)
{
    struct tunnel_names *tunnel;

    if (step == RESOLVE_LOCAL) {
        if (names->local == NULL)
            names->local = resolver_new(names->worker->loop, &(struct resolver_options){0});
        return names->local;
    }
    LIST_FOREACH (tunnel, &names->tunnels, link)
        if (tunnel->generation == generation && strcmp(tunnel->via, via) == 0)
            return tunnel->resolver;
    return tunnel_new(names, generation, via)->resolver;
}

void names_flush(struct names *names)
{
    struct tunnel_names *tunnel = LIST_FIRST(&names->tunnels);

    if (names->local != NULL)
        resolver_flush(names->local);
    while (tunnel != NULL) {
        struct tunnel_names *next = LIST_NEXT(tunnel, link);
        if (tunnel->resolver != NULL)
            resolver_flush(tunnel->resolver);
        if (atomic_load(&tunnel->generation->references) == 1)
            tunnel_free(
                tunnel); /* nobody else is of that generation any more: no look-up is under way */
        tunnel = next;
    }
}

void names_count(struct names *names)
{
    struct metrics *m = &names->worker->metrics;
    struct resolver_counts sum = {0};
    struct tunnel_names *tunnel;

    if (names->local != NULL)
        resolver_counts(names->local, &sum);
    LIST_FOREACH (tunnel, &names->tunnels, link) {
        struct resolver_counts counts = {0};
        if (tunnel->resolver != NULL)
            resolver_counts(tunnel->resolver, &counts);
        sum.found += counts.found;
        sum.no_such_name += counts.no_such_name;
        sum.failed += counts.failed;
        sum.cached += counts.cached;
    }
    metric_set(&m->names_found, sum.found);
    metric_set(&m->names_missing, sum.no_such_name);
    metric_set(&m->names_failed, sum.failed);
    metric_set(&m->names_cached, sum.cached);
}

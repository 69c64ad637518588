/* Which resolver answers, and how DNS gets through the tunnel. */
#include "worker/resolvers.h"

#include "base/mem.h"
#include "worker/client.h"
#include "worker/worker_parts.h"
#include "io/descriptors.h"
#include "io/socket_calls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A resolver whose queries are connections through an upstream. */
struct tunnel_resolver {
    LIST_ENTRY(tunnel_resolver) link;
    struct worker *worker;
    struct generation *generation; /* referenced; its [resolve] servers are asked */
    char *via;
    struct resolver *resolver;
};

struct resolvers {
    struct worker *worker;
    struct resolver *local;
    LIST_HEAD(, tunnel_resolver) tunnels;
    struct resolver_counts past; /* of resolvers that were freed */
};

struct resolvers *resolvers_new(struct worker *worker)
{
    struct resolvers *resolvers = mem_zalloc(sizeof(*resolvers));

    resolvers->worker = worker;
    LIST_INIT(&resolvers->tunnels);
    return resolvers;
}

static void add_counts(struct resolver_counts *sum, const struct resolver *resolver)
{
    struct resolver_counts counts = {0};

    if (resolver != NULL)
        resolver_counts(resolver, &counts);
    sum->found += counts.found;
    sum->no_such_name += counts.no_such_name;
    sum->failed += counts.failed;
    sum->timed_out += counts.timed_out;
    sum->asked += counts.asked;
    sum->cached += counts.cached;
}

static void tunnel_resolver_free(struct tunnel_resolver *tunnel)
{
    add_counts(&tunnel->worker->resolvers->past, tunnel->resolver);
    LIST_REMOVE(tunnel, link);
    resolver_free(tunnel->resolver);
    generation_unref(tunnel->generation);
    free(tunnel->via);
    free(tunnel);
}

void resolvers_free(struct resolvers *resolvers)
{
    if (resolvers == NULL)
        return;
    while (!LIST_EMPTY(&resolvers->tunnels))
        tunnel_resolver_free(LIST_FIRST(&resolvers->tunnels));
    resolver_free(resolvers->local);
    free(resolvers);
}

/* A stream to a DNS server: one end of a socketpair, whose other end is an internal connection. */
static int dial_through(void *arg, const struct ip *server, uint16_t port)
{
    struct tunnel_resolver *tunnel = arg;
    char address[IP_TEXT_MAX];
    int ends[2];

    if (!socket_pair(false, ends))
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

static struct tunnel_resolver *tunnel_resolver_new(struct resolvers *resolvers,
                                                   struct generation *generation, const char *via)
{
    const struct config_resolve *resolve = &generation->config->resolve;
    struct tunnel_resolver *tunnel = mem_zalloc(sizeof(*tunnel));
    struct resolver_server *servers = mem_zalloc(resolve->server_count * sizeof(*servers));

    for (size_t i = 0; i < resolve->server_count; i++)
        servers[i] = (struct resolver_server){resolve->servers[i].ip, resolve->servers[i].port};
    tunnel->worker = resolvers->worker;
    tunnel->generation = generation_ref(generation);
    tunnel->via = mem_strdup(via);
    tunnel->resolver =
        resolver_new(resolvers->worker->loop, &(struct resolver_options){
                                                  .servers = servers,
                                                  .server_count = resolve->server_count,
                                                  .dial = dial_through,
                                                  .dial_arg = tunnel,
                                              });
    free(servers);
    LIST_INSERT_HEAD(&resolvers->tunnels, tunnel, link);
    return tunnel;
}

struct resolver *resolvers_get(struct resolvers *resolvers, struct generation *generation,
                               enum resolve_step step, const char *via)
{
    struct tunnel_resolver *tunnel;

    if (step == RESOLVE_LOCAL) {
        if (resolvers->local == NULL)
            resolvers->local = resolver_new(resolvers->worker->loop, &(struct resolver_options){0});
        return resolvers->local;
    }
    LIST_FOREACH (tunnel, &resolvers->tunnels, link)
        if (tunnel->generation == generation && strcmp(tunnel->via, via) == 0)
            return tunnel->resolver;
    return tunnel_resolver_new(resolvers, generation, via)->resolver;
}

void resolvers_flush(struct resolvers *resolvers)
{
    struct tunnel_resolver *tunnel = LIST_FIRST(&resolvers->tunnels);

    if (resolvers->local != NULL)
        resolver_flush(resolvers->local);
    while (tunnel != NULL) {
        struct tunnel_resolver *next = LIST_NEXT(tunnel, link);
        /* A flush leaves nothing of a resolver without look-ups that is worth keeping, and a kept
         * resolver would keep its generation. The next look-up makes a new resolver. */
        if (tunnel->resolver == NULL || resolver_is_idle(tunnel->resolver))
            tunnel_resolver_free(tunnel);
        else
            resolver_flush(tunnel->resolver);
        tunnel = next;
    }
}

void resolvers_publish(struct resolvers *resolvers)
{
    struct metrics *m = &resolvers->worker->metrics;
    struct resolver_counts sum = resolvers->past;
    struct tunnel_resolver *tunnel;

    add_counts(&sum, resolvers->local);
    LIST_FOREACH (tunnel, &resolvers->tunnels, link)
        add_counts(&sum, tunnel->resolver);
    metric_set(&m->names_found, sum.found);
    metric_set(&m->names_missing, sum.no_such_name);
    metric_set(&m->names_failed, sum.failed);
    metric_set(&m->names_timed_out, sum.timed_out);
    metric_set(&m->names_cached, sum.cached);
    metric_set(&m->names_asked, sum.asked);
}

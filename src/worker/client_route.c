/* How a client gets to its target: what the rules say, who looks its name up, which of its
 * addresses is tried. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "worker/resolvers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rules. */

struct acl_verdict client_ask_rules(const struct client *c, const char *host, const struct ip *ip)
{
    bool remote = c->origin.via_remote_forward;
    const struct config *config = c->generation->config;
    struct acl_query query = {
        .in_group = config_group_has,
        .groups = config,
        .from = c->origin.is_ip && !remote ? &c->origin.ip : NULL,
        .remote = remote,
        .user = c->wish.user,
        .listen = c->listen->name,
        .host = host,
        .ip = ip,
        .port = c->request->target.port,
        .bind = c->wish.command == WIRE_BIND,
    };

    return acl_decide(config->acl, &query);
}

bool client_judge(struct client *c, const struct ip *ip)
{
    struct acl_verdict verdict = client_ask_rules(c, c->request->target.host, ip);
    const char *via = verdict.via != NULL ? verdict.via : c->listen->via;

    /* With several addresses the access line tells of the first one that was allowed, or else of
     * the last one that was denied. */
    if (!c->verdict.judged || !c->verdict.allowed) {
        c->verdict.judged = true;
        c->verdict.allowed = verdict.allow;
        c->verdict.rule = verdict.rule;
    }
    if (verdict.allow && !c->origin.via_remote_forward)
        c->session.upstream = generation_upstream(c->generation, via, &c->session.table);
    return verdict.allow;
}

/* Whether the client may go to this address of its target. */
static bool may_go(struct client *c, const struct ip *address)
{
    return c->origin.via_remote_forward ? client_may_connect(c, address) : client_judge(c, address);
}

/* Names. */

/* Addresses that lately did not answer. Each attempt there leaves the server an open that it cannot
 * be relieved of, so that they are tried after the others. */

#define SILENT_KEY_MAX (HOST_MAX + IP_TEXT_MAX)

static void silent_key(const struct client *c, const struct ip *address,
                       char key[static SILENT_KEY_MAX])
{
    char text[IP_TEXT_MAX];

    snprintf(key, SILENT_KEY_MAX, "%s %s", c->session.upstream->name, ip_format(address, text));
}

void client_note_silent(struct client *c, const struct ip *address)
{
    char key[SILENT_KEY_MAX];

    silent_key(c, address, key);
    fast_names_add(c->worker->silent_addresses, key, loop_now(c->worker->loop));
}

static bool was_silent(const struct client *c, const struct ip *address)
{
    char key[SILENT_KEY_MAX];

    if (c->origin.via_remote_forward) /* (this machine connects, and io/connect tries them all) */
        return false;
    silent_key(c, address, key);
    return fast_names_has(c->worker->silent_addresses, key, loop_now(c->worker->loop));
}

/* Keeps those of the target's addresses that are allowed. False: there are none. */
static bool keep_allowed(struct client *c, const struct ip *addresses, size_t count)
{
    struct client_way *way = &c->request->way;
    size_t silent_count = 0;
    struct ip *silent = mem_zalloc(count * sizeof(struct ip));

    free(way->addresses);
    way->addresses = mem_zalloc(count * sizeof(struct ip));
    way->address_count = 0;
    way->address_next = 0;
    for (size_t i = 0; i < count; i++) {
        if (!may_go(c, &addresses[i]))
            continue;
        if (was_silent(c, &addresses[i]))
            silent[silent_count++] = addresses[i];
        else
            way->addresses[way->address_count++] = addresses[i];
    }
    for (size_t i = 0; i < silent_count; i++)
        way->addresses[way->address_count++] = silent[i];
    free(silent);
    return way->address_count > 0;
}

static void on_looked_up(void *arg, enum resolve_status status, const struct ip *addresses,
                         size_t count, const char *error)
{
    struct client *c = arg;
    bool remote = c->origin.via_remote_forward;

    c->request->way.resolve = NULL;
    if (status != RESOLVE_FOUND && remote) {
        client_refuse(c, OUTCOME_UNKNOWN_HOST, error);
    } else if (status != RESOLVE_FOUND) {
        c->request->way.step++;
        client_event(c, CLIENT_NEXT, error);
    } else {
        if (!remote)
            c->verdict.judged = false; /* the addresses decide now, not the name */
        if (keep_allowed(c, addresses, count))
            client_event(c, CLIENT_RESOLVED, NULL);
        else
            client_refuse(c, OUTCOME_DENIED, NULL);
    }
}

/* Whether the rules resolve names here: then the SSH server is not left to look one up. */
static bool names_resolve_here(const struct config *config)
{
    return config->acl != NULL && config->acl_names_resolve;
}

/* Looks the name up as this step of [resolve] order says. */
static enum resolve_step resolve_step_of(const struct client *c)
{
    const struct config *config = c->generation->config;
    enum resolve_step step;

    if (c->origin.via_remote_forward)
        return RESOLVE_LOCAL;
    step = config->resolve.order[c->request->way.step];
    return step == RESOLVE_REMOTE && names_resolve_here(config) ? RESOLVE_TUNNEL : step;
}

enum client_event client_look_up(struct client *c)
{
    struct resolver *resolver =
        resolvers_get(c->worker->resolvers, c->generation, resolve_step_of(c), c->listen->via);

    if (resolver == NULL)
        return client_refused(c, OUTCOME_SHORTAGE, "no resolver");
    c->request->way.resolve = resolver_lookup(resolver, c->request->target.host, on_looked_up, c);
    return CLIENT_NOTHING;
}

void client_unroute(struct client *c)
{
    if (c->request == NULL)
        return;
    resolve_cancel(c->request->way.resolve);
    c->request->way.resolve = NULL;
}

/* Where to go. */

/* The target as it was named is to be opened. */
static enum client_event open_target(struct client *c)
{
    struct client_request *r = c->request;

    memcpy(r->way.opening, r->target.host, sizeof(r->way.opening));
    return client_choose(c);
}

/* The next address that was allowed is to be opened. */
static enum client_event open_address(struct client *c)
{
    struct client_way *way = &c->request->way;
    const struct ip *address = &way->addresses[way->address_next++];

    client_judge(c, address); /* each may go by an upstream of its own */
    ip_format(address, way->opening);
    way->by_address = true;
    way->address = *address;
    return client_choose(c);
}

/* The next step of [resolve] order; `error` is why the last one failed, or NULL. */
static enum client_event take_resolve_step(struct client *c, const char *error)
{
    const struct config_resolve *resolve = &c->generation->config->resolve;
    struct client_way *way = &c->request->way;

    /* What the SSH server would look up is not seen here, so that rules that resolve names can use
     * the other steps only. (A configuration without any is refused.) This machine's resolvers are
     * asked where the order has them, and nowhere else. */
    if (names_resolve_here(c->generation->config) && way->step < resolve->order_count &&
        resolve->order[way->step] == RESOLVE_REMOTE && resolve->server_count == 0)
        way->step++;
    if (way->step >= resolve->order_count)
        return client_refused(c, OUTCOME_UNKNOWN_HOST, error);
    if (resolve_step_of(c) != RESOLVE_REMOTE)
        return CLIENT_NAME;
    if (!client_judge(c, NULL))
        return client_refused(c, OUTCOME_DENIED, NULL);
    return open_target(c);
}

/* The same for a client that came by a remote forward. */
static enum client_event route_from_here(struct client *c)
{
    const struct client_request *r = c->request;

    if (r->way.to_path)
        return CLIENT_NEAR;
    if (!r->target.is_ip)
        return CLIENT_NAME;
    if (!client_may_connect(c, &r->target.ip))
        return client_refused(c, OUTCOME_DENIED, NULL);
    return CLIENT_NEAR;
}

/* Whether BIND is served; else why not. A peer's name is refused: what it leads to at this moment
 * is not who will come, and without an address anybody would be let in. */
static enum outcome bind_outcome(const struct client *c)
{
    if (c->origin.via_remote_forward || !c->listen->bind)
        return OUTCOME_COMMAND;
    return c->request->target.is_ip ? OUTCOME_OK : OUTCOME_ADDRESS_TYPE;
}

enum client_event client_route(struct client *c)
{
    const struct client_request *r = c->request;
    enum wire_command command = c->wish.command;

    if (!client_may_route(c))
        return client_refuse_limited(c);
    if (command == WIRE_UDP_ASSOCIATE)
        return client_refused(c, OUTCOME_COMMAND, NULL);
    if (r->http.last_hop != OUTCOME_OK)
        return client_refused(c, r->http.last_hop, NULL);
    if (command == WIRE_BIND && bind_outcome(c) != OUTCOME_OK)
        return client_refused(c, bind_outcome(c), NULL);
    if (c->origin.via_remote_forward)
        return route_from_here(c);
    if (c->listen == NULL) /* no rule judges an internal connection */
        return open_target(c);
    if (client_take_kept(c))
        return CLIENT_KEPT;
    if (!r->way.to_path && !r->target.is_ip)
        return take_resolve_step(c, NULL);
    if (!client_judge(c, r->target.is_ip ? &r->target.ip : NULL))
        return client_refused(c, OUTCOME_DENIED, NULL);
    return open_target(c);
}

enum client_event client_route_on(struct client *c)
{
    const struct client_way *way = &c->request->way;

    if (c->origin.via_remote_forward)
        return CLIENT_NEAR;
    if (way->address_next < way->address_count)
        return open_address(c);
    return take_resolve_step(c, c->words);
}

bool client_opens_name(const struct client *c)
{
    const struct client_request *r = c->request;

    return c->wish.command != WIRE_BIND && !r->way.to_path && !r->target.is_ip &&
           r->way.address_count == 0;
}

bool client_has_next(struct client *c, enum outcome outcome)
{
    struct client_way *way = &c->request->way;

    if (way->address_next < way->address_count)
        return true;
    if (outcome != OUTCOME_UNKNOWN_HOST || c->listen == NULL || !client_opens_name(c))
        return false;
    way->step++;
    return true;
}

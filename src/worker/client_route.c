/* How a client gets to its target: rules, names, a session, a channel; and again with the next
 * address or session when one does not do. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "worker/resolvers.h"
#include "shared/main_messages.h"
#include "io/socket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void try_step(struct client *c, enum outcome last, const char *detail);
static void open_channel(struct client *c);

struct acl_verdict client_verdict(const struct client *c, const char *host, const struct ip *ip)
{
    struct acl_query query = {
        .from = c->from_ip && !c->via_remote_forward ? &c->peer : NULL,
        .remote = c->via_remote_forward,
        .user = c->user,
        .listen = c->listen->name,
        .host = host,
        .ip = ip,
        .port = c->request->target.port,
    };

    return acl_decide(c->generation->config->acl, &query);
}

bool client_judge(struct client *c, const struct ip *ip)
{
    struct acl_verdict verdict = client_verdict(c, c->request->target.host, ip);
    const char *via = verdict.via != NULL ? verdict.via : c->listen->via;

    /* With several addresses the line tells of the first that was allowed, else of the last denied.
     */
    if (!c->judged || !c->allowed) {
        c->judged = true;
        c->allowed = verdict.allow;
        c->rule = verdict.rule;
    }
    if (verdict.allow && !c->via_remote_forward)
        c->upstream = generation_upstream(c->generation, via, &c->table);
    return verdict.allow;
}

/* Opens to the next address that was allowed. */
static void try_address(struct client *c)
{
    struct request *r = c->request;
    const struct ip *address = &r->addresses[r->address_next++];

    client_judge(c, address); /* each may go by an upstream of its own */
    ip_format(address, r->opening);
    open_channel(c);
}

bool client_keep_allowed(struct client *c, const struct ip *addresses, size_t count,
                         bool (*allowed)(struct client *client, const struct ip *ip))
{
    struct request *r = c->request;

    free(r->addresses);
    r->addresses = mem_zalloc(count * sizeof(struct ip));
    r->address_count = 0;
    r->address_next = 0;
    for (size_t i = 0; i < count; i++)
        if (allowed(c, &addresses[i]))
            r->addresses[r->address_count++] = addresses[i];
    return r->address_count > 0;
}

static void looked_up(void *arg, enum resolve_status status, const struct ip *addresses,
                      size_t count, const char *error)
{
    struct client *c = arg;
    struct request *r = c->request;

    c->resolve = NULL;
    if (status != RESOLVE_FOUND) {
        r->step++;
        try_step(c, OUTCOME_UNKNOWN_HOST, error);
        return;
    }
    c->judged = false; /* the addresses decide now, not the name */
    if (client_keep_allowed(c, addresses, count, client_judge))
        try_address(c);
    else
        client_refuse(c, OUTCOME_DENIED, NULL);
}

void client_look_up(struct client *c, enum resolve_step step,
                    void (*done)(void *arg, enum resolve_status status, const struct ip *addresses,
                                 size_t count, const char *error))
{
    struct resolver *resolver =
        resolvers_get(c->worker->resolvers, c->generation, step, c->listen->via);

    if (resolver == NULL) {
        client_refuse(c, OUTCOME_SHORTAGE, "no resolver");
        return;
    }
    client_set_state(c, CLIENT_RESOLVING);
    c->resolve = resolver_lookup(resolver, c->request->target.host, done, c);
}

/* The next of [resolve] order; `last` is what to say when there is none. */
static void try_step(struct client *c, enum outcome last, const char *detail)
{
    const struct config *config = c->generation->config;
    bool here = config->acl != NULL && config->acl_names_resolve;
    struct request *r = c->request;
    enum resolve_step step;

    /* What the SSH server would look up is not seen here: names = resolve has only the others. (A
     * configuration without any is refused.) This machine's resolvers are asked where the order
     * has them, and nowhere else. */
    if (here && r->step < config->resolve.order_count &&
        config->resolve.order[r->step] == RESOLVE_REMOTE && config->resolve.server_count == 0)
        r->step++;
    if (r->step >= config->resolve.order_count) {
        client_refuse(c, last, detail);
        return;
    }
    step = config->resolve.order[r->step];
    if (step == RESOLVE_REMOTE && here)
        step = RESOLVE_TUNNEL;
    if (step != RESOLVE_REMOTE) {
        client_look_up(c, step, looked_up);
    } else if (!client_judge(c, NULL)) {
        client_refuse(c, OUTCOME_DENIED, NULL);
    } else {
        memcpy(r->opening, r->target.host, sizeof(r->opening));
        open_channel(c);
    }
}

/* Whether BIND is served; else why not. A peer's name is not: what it leads to at this moment is
 * not who will come, and without an address anybody would be let in. */
static enum outcome bind_outcome(const struct client *c)
{
    if (c->via_remote_forward || !c->listen->bind)
        return OUTCOME_COMMAND;
    return c->request->target.is_ip ? OUTCOME_OK : OUTCOME_ADDRESS_TYPE;
}

void client_route(struct client *c)
{
    struct request *r = c->request;

    if (c->command == WIRE_UDP_ASSOCIATE) {
        client_refuse(c, OUTCOME_COMMAND, NULL);
    } else if (c->command == WIRE_BIND && bind_outcome(c) != OUTCOME_OK) {
        client_refuse(c, bind_outcome(c), NULL);
    } else if (c->via_remote_forward) {
        client_connect(c);
    } else if (c->listen != NULL && !r->to_path && !r->target.is_ip) {
        try_step(c, OUTCOME_UNKNOWN_HOST, NULL);
    } else if (c->listen != NULL && !client_judge(c, r->target.is_ip ? &r->target.ip : NULL)) {
        client_refuse(c, OUTCOME_DENIED, NULL);
    } else {
        memcpy(r->opening, r->target.host, sizeof(r->opening));
        open_channel(c);
    }
}

/* A session. */

void client_release_slot(struct client *c)
{
    if (c->slot >= 0)
        session_table_release(c->table, c->slot);
    c->slot = -1;
}

/* How often an internal connection looks whether the person has answered. */
#define ASKING_MS 1000

static void waited_too_long(struct deadline *deadline)
{
    struct client *c = container_of(deadline, struct client, deadline);

    /* (Who came from outside is not kept waiting for a person.) */
    if (c->request->hold_ms > 0 && atomic_load(&c->table->asking))
        deadline_arm(c->worker->loop, &c->deadline, ASKING_MS, waited_too_long);
    else
        client_refuse(c, OUTCOME_NO_SESSION, NULL);
}

static void wait_for_session(struct client *c)
{
    struct request *r = c->request;
    uint64_t hold = r->hold_ms > 0 ? r->hold_ms : c->upstream->hold_ms;

    if (r->waited_ms >= hold) {
        client_refuse(c, OUTCOME_NO_SESSION, NULL);
        return;
    }
    r->wait_began = loop_now(c->worker->loop);
    client_set_state(c, CLIENT_WAITING);
    c->waiting = true;
    TAILQ_INSERT_TAIL(&c->worker->waiting, c, waiting_link);
    atomic_fetch_add(&c->table->waiting, 1);
    /* (In tenths of a second, as few different durations are what deadlines are good at.) */
    deadline_arm(c->worker->loop, &c->deadline, (hold - r->waited_ms + 99) / 100 * 100,
                 waited_too_long);
}

static void stop_waiting(struct client *c)
{
    if (!c->waiting)
        return;
    c->waiting = false;
    c->request->waited_ms += loop_now(c->worker->loop) - c->request->wait_began;
    TAILQ_REMOVE(&c->worker->waiting, c, waiting_link);
    atomic_fetch_sub(&c->table->waiting, 1);
    deadline_cancel(&c->deadline);
}

void client_retry(struct client *c)
{
    stop_waiting(c);
    open_channel(c);
}

/* The move to the worker that has the session. */

/* The gateway ends while it is between two workers. */
static void lost_on_the_way(struct message *message)
{
    struct client *c = container_of(message, struct client, message);

    close(c->moving_fd);
    client_free(c);
}

static void arrive(struct message *message, void *owner)
{
    struct client *c = container_of(message, struct client, message);
    struct worker *worker = owner;

    if (worker->stopping) {
        lost_on_the_way(message);
        return;
    }
    TAILQ_INSERT_TAIL(&worker->clients, c, link);
    c->endpoint = socket_endpoint_new(worker->loop, c->moving_fd);
    if (c->endpoint == NULL) {
        close(c->moving_fd);
        client_abort(c, "no descriptors");
        return;
    }
    metric_add(&worker->metrics.moves, 1);
    client_listen(c);
    endpoint_send(c->endpoint, buffer_data(&c->moving_unsent), buffer_length(&c->moving_unsent));
    buffer_clear(&c->moving_unsent);
    open_channel(c);
}

static void move(struct client *c, struct worker *to)
{
    client_set_state(c, CLIENT_MOVING);
    deadline_cancel(&c->deadline);
    TAILQ_REMOVE(&c->worker->clients, c, link);
    c->moving_fd = socket_endpoint_release(c->endpoint, &c->moving_unsent);
    c->endpoint = NULL;
    c->worker = to;
    c->message = (struct message){.run = arrive, .drop = lost_on_the_way};
    mailbox_post(to->mailbox, &c->message);
}

/* A channel. */

/* A server that connects sooner was not long at the name. */
#define QUICK_MS 1000

/* Whether clients like it may come by any name, and the server looks that up. */
static bool may_bring_names(const struct client *c)
{
    const struct config *config = c->generation->config;

    if (c->listen == NULL || c->listen->target.host != NULL || c->listen->target.path != NULL)
        return false;
    if (config->acl != NULL && config->acl_names_resolve)
        return false;
    for (size_t i = 0; i < config->resolve.order_count; i++)
        if (config->resolve.order[i] == RESOLVE_REMOTE)
            return true;
    return false;
}

static bool is_by_name(const struct client *c)
{
    const struct request *r = c->request;

    return c->command != WIRE_BIND && !r->to_path && !r->target.is_ip && r->address_count == 0;
}

static bool open_may_block(const struct client *c)
{
    if (!may_bring_names(c))
        return false;
    session_table_expect_names(c->table);
    return is_by_name(c) &&
           !fast_names_has(c->table->fast_names, c->request->opening, loop_now(c->worker->loop));
}

static void note_name(const struct client *c)
{
    uint64_t now = loop_now(c->worker->loop);

    if (is_by_name(c) && now - c->request->asked_at < QUICK_MS)
        fast_names_add(c->table->fast_names, c->request->opening, now);
}

static void open_timed_out(struct deadline *deadline)
{
    client_refuse(container_of(deadline, struct client, deadline), OUTCOME_OPEN_TIMEOUT, NULL);
}

static void open_failed(struct client *c, const struct open_failure *failure)
{
    struct request *r = c->request;
    enum outcome outcome = outcome_from_open_failure(failure->reason, failure->text);

    if (r->address_next < r->address_count) {
        try_address(c);
    } else if (outcome == OUTCOME_UNKNOWN_HOST && c->listen != NULL && !r->to_path &&
               !r->target.is_ip && r->address_count == 0) {
        r->step++;
        try_step(c, outcome, failure->text);
    } else {
        client_refuse(c, outcome, failure->text);
    }
}

static void opened(void *arg, struct endpoint *channel, const struct open_failure *failure)
{
    struct client *c = arg;

    c->open = NULL;
    deadline_cancel(&c->deadline);
    if (channel != NULL) {
        metric_add(&c->worker->metrics.channels, 1);
        note_name(c);
        client_answer_open(c, channel);
        return;
    }
    client_release_slot(c);
    if (failure->lost) {
        /* Nothing was confirmed, so nothing can have been carried: another session may do. */
        metric_add(&c->worker->metrics.retries, 1);
        open_channel(c);
    } else {
        open_failed(c, failure);
    }
}

static void open_on(struct client *c, struct session *session)
{
    char origin[IP_TEXT_MAX] = "127.0.0.1"; /* for a unix socket OpenSSH says so too */

    if (c->from_ip)
        ip_format(&c->peer, origin);
    client_set_state(c, CLIENT_OPENING);
    c->request->asked_at = loop_now(c->worker->loop);
    deadline_arm(c->worker->loop, &c->deadline, c->upstream->open_timeout_ms, open_timed_out);
    if (c->request->to_path)
        c->open = session_open_unix(session, c->request->opening, opened, c);
    else
        c->open = session_open_tcp(session,
                                   &(struct tcp_target){.host = c->request->opening,
                                                        .port = c->request->target.port,
                                                        .origin = origin,
                                                        .origin_port = c->peer_port},
                                   opened, c);
}

/* Finds a session for a channel to `request->opening`. A reservation that a move brought along is
 * used if its session is still there. */
static void open_channel(struct client *c)
{
    struct session *session;
    bool grow = false;
    int owner;

    /* A reload may have put another pool in its upstream's place. */
    if (c->slot < 0)
        c->table = session_table_current(c->table);
    if (c->slot < 0)
        c->slot = session_table_reserve(c->table, (int)c->worker->index, open_may_block(c), &grow);
    if (grow)
        main_send_grow(c->worker->workers, c->table);
    if (c->slot < 0) {
        wait_for_session(c);
        return;
    }
    owner = atomic_load(&c->table->slots[c->slot].worker);
    if (owner != (int)c->worker->index) {
        move(c, c->worker->workers->all[owner]);
        return;
    }
    session = worker_session_at(c->worker, c->table, c->slot);
    if (session == NULL) {
        /* It ended since it was chosen, and is not up any more for the next choice. */
        client_release_slot(c);
        open_channel(c);
    } else if (c->command == WIRE_BIND) {
        client_bind(c, session);
    } else {
        open_on(c, session);
    }
}

void client_unroute(struct client *c)
{
    stop_waiting(c);
    resolve_cancel(c->resolve);
    c->resolve = NULL;
    if (c->open != NULL)
        session_open_cancel(c->open);
    c->open = NULL;
}

/* A client's beginning, the events of its endpoint, and how events are handled. */
#include "worker/client_account.h"
#include "worker/client_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/probe.h"
#include "io/socket.h"
#include "worker/client_shell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a client may send before it is answered: a request head and the first bytes of what follows
 * it. */
#define REQUEST_MAX (HTTP_HEAD_MAX + 4096)

/* Events and actions. */

/* CLIENT_KEEP and CLIENT_DROP: on_client_data has done it before it raises CLIENT_BYTES. */
static enum client_event client_bytes_handled(struct client *c)
{
    (void)c;
    return CLIENT_NOTHING;
}

typedef enum client_event client_action_fn(struct client *client);

/* In the order of enum client_action. */
static client_action_fn *const performers[CLIENT_ACTIONS] = {
    client_bytes_handled, client_bytes_handled,  client_reset,
    client_tell_refusal,  client_tell_bound,     client_begin_request,
    client_parse,         client_check,          client_route,
    client_route_on,      client_choose,         client_look_up,
    client_connect,       client_wait,           client_move,
    client_open,          client_open_elsewhere, client_open_next,
    client_bind,          client_answer,         client_relay,
    client_exchange,      client_renew,          client_linger,
    client_end,           client_discard,
};

/* The last action of a set may free the client. */
static enum client_event perform(struct client *c, unsigned actions)
{
    enum client_event found = CLIENT_NOTHING;

    while (actions != 0) {
        int first = __builtin_ctz(actions);

        actions &= actions - 1;
        found = performers[first](c);
    }
    return found;
}

static void log_step(const struct client *c, enum client_event event, enum client_state next)
{
    if (next != c->state)
        log_debug("connection %llu: %s -> %s (%s)", c->number, client_state_name(c->state),
                  client_state_name(next), client_event_name(event));
    else if (event != CLIENT_BYTES)
        log_debug("connection %llu: %s (%s)", c->number, client_state_name(c->state),
                  client_event_name(event));
}

/* An event has come of which the table says why it cannot: adit itself is wrong. */
static void fail_impossible(const struct client *c, enum client_event event, const char *reason)
{
    log_error("connection %llu: \"%s\" has come in state \"%s\", which is a fault of adit: %s",
              c->number, client_event_name(event), client_state_name(c->state), reason);
    abort();
}

void client_event(struct client *c, enum client_event event, const char *words)
{
    c->words = words;
    while (event != CLIENT_NOTHING) {
        const struct client_step *step = client_machine_step(c->state, event);

        if (step->reason != NULL)
            fail_impossible(c, event, step->reason);
        if (log_wants(ADIT_LOG_DEBUG))
            log_step(c, event, step->next);
        c->state = step->next;
        if (step->outcome != OUTCOME_OK)
            c->outcome = step->outcome;
        if (!client_state_has_deadline(c->state))
            deadline_cancel(&c->deadline);
        event = perform(c, step->actions);
    }
}

enum client_event client_refused(struct client *c, enum outcome outcome, const char *words)
{
    c->outcome = outcome;
    c->words = words;
    return CLIENT_REFUSED;
}

void client_refuse(struct client *c, enum outcome outcome, const char *words)
{
    c->outcome = outcome;
    client_event(c, CLIENT_REFUSED, words);
}

/* What the worker knows of a client. */

struct session_table *client_table(const struct client *c)
{
    return c->session.table;
}

struct client *client_next_waiting(const struct client *c)
{
    return TAILQ_NEXT(c, waiting_link);
}

void client_retry(struct client *c)
{
    client_event(c, CLIENT_SESSION, NULL);
}

static bool waits_for(const struct client *c, const struct session_table *table, int slot)
{
    return c->state == CLIENT_OPENING && c->session.table == table && c->session.slot == slot;
}

void clients_session_overdue(struct worker *worker, const struct session_table *table, int slot)
{
    struct client *c;
    struct client *next;

    TAILQ_FOREACH (c, &worker->clients, link)
        if (waits_for(c, table, slot))
            client_note_slow_name(c);
    /* (The event may make the client another worker's.) */
    for (c = TAILQ_FIRST(&worker->clients); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (waits_for(c, table, slot))
            client_event(c, CLIENT_OVERDUE, NULL);
    }
}

void clients_look_elsewhere(struct worker *worker)
{
    struct client *c = TAILQ_FIRST(&worker->clients);

    while (c != NULL) {
        struct client *next = TAILQ_NEXT(c, link);
        if (c->state == CLIENT_OPENING && client_may_open_elsewhere(c))
            client_event(c, CLIENT_OVERDUE, NULL);
        c = next;
    }
}

void clients_stream_news(struct worker *worker)
{
    struct client *c = TAILQ_FIRST(&worker->clients);

    while (c != NULL) {
        struct client *next = TAILQ_NEXT(c, link);
        const struct internal_stream *stream = c->internal != NULL ? c->internal->stream : NULL;
        if (stream != NULL && atomic_load(&stream->cut))
            client_abort(c, "the client has gone");
        else if (stream != NULL)
            client_shell_look(c);
        c = next;
    }
}

void client_abort(struct client *c, const char *why)
{
    client_event(c, CLIENT_ABORTED, why);
}

/* The endpoint's events until the relay takes it. */

static size_t on_client_room(void *owner)
{
    const struct client *c = owner;
    size_t length;

    if (client_machine_step(c->state, CLIENT_BYTES)->actions & CLIENT_DROP)
        return LOOP_SCRATCH_SIZE;
    length = buffer_length(&c->request->reading.in);
    return length < REQUEST_MAX ? REQUEST_MAX - length : 0;
}

/* Whether a request has begun that the client's state does not show yet: see parse_soon. */
static bool owes_request(const struct client *c)
{
    return c->state == CLIENT_IDLE && buffer_length(&c->request->reading.in) > 0;
}

static void parse_now(struct later *later)
{
    struct client *c = container_of(later, struct client, parse_later);

    /* (An idle client that is at its end may have sent a last request.) */
    bool at_end = c->request->reading.eof && !owes_request(c);

    client_event(c, at_end ? CLIENT_EOF : CLIENT_BYTES, NULL);
}

/* Has the bytes parsed that came, or their end. A channel brings bytes from inside libssh's
 * callback, where nothing may be written or closed: they are parsed when that has returned. */
static void parse_soon(struct client *c, enum client_event event)
{
    if (c->origin.via_remote_forward)
        later_post(c->worker->loop, &c->parse_later, parse_now);
    else
        client_event(c, event, NULL);
}

static bool on_client_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct client *c = owner;
    unsigned actions = client_machine_step(c->state, CLIENT_BYTES)->actions;

    if (actions & CLIENT_DROP)
        return true;
    if (on_client_room(c) == 0)
        return false;
    buffer_append_secret(&c->request->reading.in, bytes, length);
    loop_forget(c->worker->loop, bytes, length);
    if (actions & CLIENT_PARSE)
        parse_soon(c, CLIENT_BYTES);
    return true;
}

static void on_client_eof(void *owner)
{
    struct client *c = owner;

    c->request->reading.eof = true;
    if (client_machine_step(c->state, CLIENT_EOF)->actions & CLIENT_PARSE || owes_request(c))
        parse_soon(c, CLIENT_EOF);
    else if (c->listen != NULL)
        client_event(c, CLIENT_EOF, "closed while waiting");
    else /* (The owner of an internal connection half-closes only when it was answered.) */
        client_event(c, CLIENT_CLOSED, "given up");
}

static void on_client_closed(void *owner)
{
    struct client *c = owner;

    client_event(c, CLIENT_CLOSED,
                 c->state == CLIENT_LINGERING ? c->request->why : "closed before it was answered");
}

static void on_client_writable(void *owner)
{
    struct client *c = owner;

    client_event(c, CLIENT_TAKEN, c->request->why);
}

static void on_client_failed(void *owner, const char *why)
{
    client_event(owner, CLIENT_FAILED, why);
}

static const struct endpoint_events client_endpoint_events = {
    .room = on_client_room,
    .data = on_client_data,
    .eof = on_client_eof,
    .closed = on_client_closed,
    .writable = on_client_writable,
    .failed = on_client_failed,
};

void client_listen(struct client *c)
{
    endpoint_own(c->endpoint, &client_endpoint_events, c);
    endpoint_resume(c->endpoint);
}

/* Beginning. */

static void handshake_expired(struct deadline *deadline)
{
    client_event(container_of(deadline, struct client, deadline), CLIENT_TIMED_OUT, NULL);
}

enum client_event client_begin_request(struct client *c)
{
    c->began = loop_now(c->worker->loop);
    c->reached = 0;
    deadline_arm(c->worker->loop, &c->deadline, client_time_to_ask(c), handshake_expired);
    return CLIENT_NOTHING;
}

static struct client *client_make(struct worker *worker, struct generation *generation,
                                  struct endpoint *endpoint)
{
    struct client *c = mem_zalloc(sizeof(*c));

    c->worker = worker;
    c->number = workers_number(worker->workers);
    c->state = CLIENT_ASKING;
    c->generation = generation_ref(generation);
    c->endpoint = endpoint;
    c->request = mem_zalloc(sizeof(*c->request));
    c->session.slot = -1;
    c->outcome = OUTCOME_GIVEN_UP;
    c->began = loop_now(worker->loop);
    LIST_INIT(&c->kept);
    TAILQ_INSERT_TAIL(&worker->clients, c, link);
    probe_connection_start(c->number);
    return c;
}

/* The target is the configuration's, or the internal connection's owner's: nothing is asked. */
static void take_target(struct client *c, const struct config_place *to)
{
    struct client_request *r = c->request;
    char text[HOSTPORT_TEXT_MAX];

    c->wish.command = WIRE_CONNECT;
    r->way.to_path = to->path != NULL;
    if (r->way.to_path) {
        snprintf(r->target.host, sizeof(r->target.host), "%s", to->path);
        c->wish.target = mem_strdup(to->path);
    } else {
        snprintf(r->target.host, sizeof(r->target.host), "%s", to->host);
        host_normalise(r->target.host);
        r->target.is_ip = ip_parse(r->target.host, &r->target.ip);
        r->target.port = to->port;
        c->wish.target = mem_strdup(hostport_format(r->target.host, to->port, text));
    }
}

/* Begins to ask, or to route where the target is known. */
static void begin(struct client *c)
{
    if (c->endpoint != NULL)
        client_listen(c);
    if (c->wish.target != NULL)
        client_event(c, CLIENT_REQUESTED, NULL);
    else
        client_begin_request(c);
}

void client_new(struct worker *worker, struct generation *generation,
                const struct config_listen *listen, const struct accepted *connection)
{
    struct endpoint *endpoint = socket_endpoint_new(worker->loop, connection->fd);
    struct client *c;

    if (endpoint == NULL) {
        close(connection->fd);
        workers_client_gone(worker->workers);
        return;
    }
    c = client_make(worker, generation, endpoint);
    c->listen = listen;
    c->origin.is_ip = connection->from_ip;
    c->origin.ip = connection->peer;
    c->origin.port = connection->peer_port;
    c->request->reading.wants_header = client_comes_by_balancer(listen, connection);
    client_count_accepted(c);
    log_debug("connection %llu: accepted by worker %u on listener %s", c->number, worker->index,
              listen->name);
    if (config_listen_leads(listen))
        take_target(c, &listen->target);
    if (c->request->reading.wants_header || client_admit(c))
        begin(c);
    else
        client_event(c, CLIENT_ABORTED, c->limits.words);
}

bool client_new_internal(struct worker *worker, struct generation *generation,
                         const struct internal_request *request, int fd)
{
    struct endpoint *endpoint = socket_endpoint_new(worker->loop, fd);
    struct client *c;

    if (endpoint == NULL)
        return false;
    c = client_make(worker, generation, endpoint);
    c->internal = mem_zalloc(sizeof(*c->internal));
    *c->internal = *request;
    c->session.upstream = generation_upstream(generation, request->via, &c->session.table);
    c->request->hold.limit_ms = request->hold_ms;
    if (request->stream != NULL)
        client_shell_begin(c, request->stream);
    take_target(c, &request->to);
    log_debug("connection %llu: adit's own, to %s through upstream %s", c->number, c->wish.target,
              request->via);
    begin(c);
    return true;
}

/* The session was lost before the forwarded open was answered. */
static void on_forwarded_lost(void *arg)
{
    struct client *c = arg;

    c->forwarded = NULL;
    c->outcome = OUTCOME_NO_SESSION;
    client_event(c, CLIENT_FAILED, "session lost");
}

void client_new_forwarded(struct worker *worker, struct generation *generation,
                          const struct forwarded_connection *connection)
{
    const struct config_forward *forward = connection->forward;
    struct client *c = client_make(worker, generation, NULL);

    atomic_fetch_add(&worker->workers->clients, 1);
    c->listen = &forward->listen;
    c->origin.via_remote_forward = true;
    c->session.upstream = generation_upstream(generation, forward->via, &c->session.table);
    c->session.slot = connection->slot;
    atomic_fetch_add_explicit(&c->session.table->slots[connection->slot].channels, 1,
                              memory_order_relaxed);
    c->origin.is_ip = ip_parse(connection->origin, &c->origin.ip);
    c->origin.port = connection->origin_port;
    client_count_accepted(c);
    log_debug("connection %llu: forwarded to worker %u by remote forward %s", c->number,
              worker->index, c->listen->name);
    if (config_listen_leads(c->listen)) {
        c->forwarded = connection->open;
        forwarded_open_own(connection->open, on_forwarded_lost, c);
        take_target(c, &c->listen->target);
    } else {
        c->endpoint = forwarded_open_accept(connection->open);
    }
    begin(c);
}

void client_forget_request(struct client *c)
{
    struct client_request *r = c->request;

    c->request = NULL;
    if (r == NULL)
        return;
    endpoint_close(r->opened, true);
    buffer_wipe(&r->reading.in);
    buffer_clear(&r->from_origin);
    buffer_clear(&r->head);
    free(r->way.addresses);
    mem_free_secret(r, sizeof(*r)); /* credentials */
}

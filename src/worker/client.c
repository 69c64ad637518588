/* A client's life: born of a descriptor, ended with an access line. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "io/socket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a client may say before it is answered: a request head and the first bytes of what it sends
 * after it. */
#define REQUEST_MAX (HTTP_HEAD_MAX + 4096)

/* How long the endpoint of a refused client may take to accept its reply. */
#define REPLY_MS 10000

static const char *state_name(enum client_state state)
{
    static const char *const names[] = {"asking",   "verifying", "resolving",  "waiting",
                                        "moving",   "opening",   "connecting", "binding",
                                        "relaying", "closing",   "ended"};
    return names[state];
}

void client_set_state(struct client *c, enum client_state state)
{
    log_debug("client %p: %s -> %s", (void *)c, state_name(c->state), state_name(state));
    c->state = state;
}

struct session_table *client_table(const struct client *c)
{
    return c->table;
}

struct client *client_next_waiting(const struct client *c)
{
    return TAILQ_NEXT(c, waiting_link);
}

/* The endpoint's events until the relay takes it. doc/DESIGN.md ("Before the relay") has the table
 * of states and events. */

static size_t on_room(void *owner)
{
    struct client *c = owner;
    size_t length = buffer_length(&c->request->in);

    if (c->state == CLIENT_CLOSING)
        return LOOP_SCRATCH_SIZE; /* dropped, so that its end is seen */
    return length < REQUEST_MAX ? REQUEST_MAX - length : 0;
}

static void parse_later(struct later *later)
{
    struct client *c = container_of(later, struct client, parse_later);

    if (c->state == CLIENT_ASKING)
        client_ask(c);
}

/* Bytes came, or their end. (A channel's callback allows nothing but to keep them.) */
static void ask_on(struct client *c)
{
    if (c->via_remote_forward)
        later_post(c->worker->loop, &c->parse_later, parse_later);
    else
        client_ask(c);
}

static bool on_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct client *c = owner;

    if (c->state == CLIENT_CLOSING)
        return true;
    if (on_room(c) == 0)
        return false;
    buffer_append(&c->request->in, bytes, length);
    if (c->state == CLIENT_ASKING)
        ask_on(c);
    return true;
}

static void on_eof(void *owner)
{
    struct client *c = owner;

    c->request->eof = true;
    if (c->state == CLIENT_ASKING)
        ask_on(c);
    else if (c->state == CLIENT_BINDING)
        client_end_after_reply(c, "closed while waiting");
    else if (c->listen == NULL)
        client_end(c, "given up");
}

static void on_closed(void *owner)
{
    struct client *c = owner;
    char why[300];

    snprintf(why, sizeof why, "%s", c->why != NULL ? c->why : "closed before it was answered");
    client_end(c, why);
}

static void on_writable(void *owner)
{
    struct client *c = owner;
    char why[300];

    if (c->state != CLIENT_CLOSING)
        return;
    snprintf(why, sizeof why, "%s", c->why);
    client_end(c, why);
}

static void on_failed(void *owner, const char *why)
{
    client_abort(owner, why);
}

static const struct endpoint_events client_events = {
    .room = on_room,
    .data = on_data,
    .eof = on_eof,
    .closed = on_closed,
    .writable = on_writable,
    .failed = on_failed,
};

void client_listen(struct client *c)
{
    endpoint_own(c->endpoint, &client_events, c);
    endpoint_resume(c->endpoint);
}

static void handshake_timed_out(struct deadline *deadline)
{
    struct client *c = container_of(deadline, struct client, deadline);

    client_refuse(c, OUTCOME_HANDSHAKE_TIMEOUT, NULL);
}

static struct client *client_make(struct worker *worker, struct generation *generation,
                                  struct endpoint *endpoint)
{
    struct client *c = mem_zalloc(sizeof(*c));

    c->worker = worker;
    c->generation = generation_ref(generation);
    c->endpoint = endpoint;
    c->request = mem_zalloc(sizeof(*c->request));
    c->slot = -1;
    c->outcome = OUTCOME_MALFORMED;
    c->began = loop_now(worker->loop);
    TAILQ_INSERT_TAIL(&worker->clients, c, link);
    return c;
}

/* What a local forward leads to needs no asking. */
static void take_target(struct client *c, const struct config_place *to)
{
    struct request *r = c->request;
    char text[HOSTPORT_TEXT_MAX];

    c->command = WIRE_CONNECT;
    r->to_path = to->path != NULL;
    if (r->to_path) {
        snprintf(r->target.host, sizeof(r->target.host), "%s", to->path);
        c->target = mem_strdup(to->path);
    } else {
        snprintf(r->target.host, sizeof(r->target.host), "%s", to->host);
        host_normalise(r->target.host);
        r->target.is_ip = ip_parse(r->target.host, &r->target.ip);
        r->target.port = to->port;
        c->target = mem_strdup(hostport_format(r->target.host, to->port, text));
    }
    client_set_state(c, CLIENT_RESOLVING);
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
    c->from_ip = connection->from_ip;
    c->peer = connection->peer;
    c->peer_port = connection->peer_port;
    metric_add(&worker->metrics.accepted, 1);
    if (config_listen_leads(listen)) {
        take_target(c, &listen->target);
        client_listen(c);
        client_route(c);
        return;
    }
    deadline_arm(worker->loop, &c->deadline, generation->config->gateway.handshake_timeout_ms,
                 handshake_timed_out);
    client_listen(c);
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
    c->upstream = generation_upstream(generation, request->via, &c->table);
    c->request->hold_ms = request->hold_ms;
    take_target(c, &request->to);
    client_listen(c);
    client_route(c);
    return true;
}

/* The session was lost before what came in was answered. */
static void forwarded_open_lost(void *arg)
{
    struct client *c = arg;

    c->forwarded = NULL;
    c->outcome = OUTCOME_NO_SESSION;
    client_end(c, "session lost");
}

void client_new_forwarded(struct worker *worker, struct generation *generation,
                          const struct config_forward *forward, int slot,
                          struct forwarded_open *forwarded, const char *origin,
                          uint16_t origin_port)
{
    struct client *c = client_make(worker, generation, NULL);

    atomic_fetch_add(&worker->workers->clients, 1);
    c->listen = &forward->listen;
    c->via_remote_forward = true;
    c->upstream = generation_upstream(generation, forward->via, &c->table);
    c->slot = slot;
    atomic_fetch_add_explicit(&c->table->slots[slot].channels, 1, memory_order_relaxed);
    c->from_ip = ip_parse(origin, &c->peer);
    c->peer_port = origin_port;
    metric_add(&worker->metrics.accepted, 1);
    if (config_listen_leads(c->listen)) {
        c->forwarded = forwarded;
        forwarded_open_own(forwarded, forwarded_open_lost, c);
        take_target(c, &c->listen->target);
        client_route(c);
        return;
    }
    c->endpoint = forwarded_open_accept(forwarded);
    deadline_arm(worker->loop, &c->deadline, generation->config->gateway.handshake_timeout_ms,
                 handshake_timed_out);
    client_listen(c);
}

/* Before the address of who came in by a remote forward, as only the SSH server knows it. */
#define CLAIMED "remote:"

/* `text` has room for CLAIMED and HOSTPORT_TEXT_MAX. */
static const char *peer_text(const struct client *c, char *text)
{
    char address[IP_TEXT_MAX];

    if (!c->from_ip)
        return c->via_remote_forward ? "remote" : "unix";
    strcpy(text, c->via_remote_forward ? CLAIMED : "");
    hostport_format(ip_format(&c->peer, address), c->peer_port, text + strlen(text));
    return text;
}

static const char *command_name(enum wire_command command)
{
    switch (command) {
    case WIRE_CONNECT: return "connect";
    case WIRE_BIND: return "bind";
    case WIRE_UDP_ASSOCIATE: return "udp-associate";
    case WIRE_FORWARD: return "request";
    }
    return NULL;
}

static void log_access(const struct client *c, const char *why)
{
    static const char *const protocols[WIRE_PROTOCOLS] = {"socks5", "socks4", "http"};
    char peer[sizeof CLAIMED + HOSTPORT_TEXT_MAX];
    struct log_field fields[20];
    size_t n = 0;
    /* (Another loop's clock than that it began by, if it moved.) */
    uint64_t now = loop_now(c->worker->loop);

    fields[n++] = ADIT_LOG_TEXT_FIELD("client", peer_text(c, peer));
    fields[n++] = ADIT_LOG_TEXT_FIELD("user", c->user);
    fields[n++] = ADIT_LOG_TEXT_FIELD("listen", c->listen->name);
    fields[n++] = ADIT_LOG_TEXT_FIELD("protocol", c->protocol_known ? protocols[c->protocol]
                                                  : config_listen_leads(c->listen) ? "forward"
                                                                                   : NULL);
    if (c->target != NULL && !config_listen_leads(c->listen))
        fields[n++] = ADIT_LOG_TEXT_FIELD("command", command_name(c->command));
    fields[n++] = ADIT_LOG_TEXT_FIELD("target", c->target);
    fields[n++] = ADIT_LOG_TEXT_FIELD("bound", c->bound);
    fields[n++] = ADIT_LOG_TEXT_FIELD("peer", c->bind_peer);
    if (c->judged) {
        fields[n++] = ADIT_LOG_TEXT_FIELD("verdict", c->allowed ? "allow" : "deny");
        fields[n++] = ADIT_LOG_TEXT_FIELD("rule", acl_rule_text(c->rule));
    }
    if (c->upstream != NULL)
        fields[n++] = ADIT_LOG_TEXT_FIELD("upstream", c->upstream->name);
    if (c->slot >= 0)
        fields[n++] = ADIT_LOG_NUMBER_FIELD("session", (uint64_t)c->slot);
    fields[n++] = ADIT_LOG_TEXT_FIELD("outcome", outcome_row(c->outcome)->name);
    fields[n++] = ADIT_LOG_NUMBER_FIELD("up", c->bytes[0]);
    fields[n++] = ADIT_LOG_NUMBER_FIELD("down", c->bytes[1]);
    fields[n++] = ADIT_LOG_NUMBER_FIELD("ms", now > c->began ? now - c->began : 0);
    fields[n++] = ADIT_LOG_TEXT_FIELD("end", why);
    log_event(ADIT_LOG_INFO, "connection", fields, n);
}

void client_forget_request(struct client *c)
{
    struct request *r = c->request;

    c->request = NULL;
    if (r == NULL)
        return;
    buffer_clear(&r->in);
    buffer_clear(&r->head);
    free(r->addresses);
    mem_free_secret(r, sizeof(*r)); /* credentials */
}

static void account(const struct client *c)
{
    struct metrics *m = &c->worker->metrics;

    metric_add(&m->outcomes[c->outcome], 1);
    metric_add(&m->bytes_up, c->bytes[0]);
    metric_add(&m->bytes_down, c->bytes[1]);
}

/* Stops whatever is under way for the client. */
static void stop(struct client *c)
{
    deadline_cancel(&c->deadline);
    later_cancel(c->worker->loop, &c->parse_later);
    client_forget_verification(c);
    client_disconnect(c);
    client_unbind(c);
    client_unroute(c);
}

void client_free(struct client *c)
{
    struct workers *workers = c->worker->workers;
    bool internal = c->listen == NULL;

    stop(c);
    client_release_slot(c);
    /* (An answer must not be overtaken by a reset; where there is no answer, the reset is it.) */
    endpoint_close(c->endpoint, !internal && config_listen_leads(c->listen));
    client_forget_request(c);
    client_report(c, OUTCOME_NO_SESSION, "given up");
    buffer_clear(&c->moving_unsent);
    free(c->why);
    free(c->internal);
    generation_unref(c->generation);
    free(c->user);
    free(c->target);
    free(c->bound);
    free(c->bind_peer);
    free(c);
    if (!internal)
        workers_client_gone(workers);
}

void client_end(struct client *c, const char *why)
{
    client_set_state(c, CLIENT_ENDED);
    if (c->listen != NULL) {
        log_access(c, why);
        account(c);
    } else if (c->outcome == OUTCOME_OK && c->internal->ended != NULL) {
        c->internal->ended(c->internal->arg, c->cut ? why : NULL);
    }
    TAILQ_REMOVE(&c->worker->clients, c, link);
    client_free(c);
}

static void reply_expired(struct deadline *deadline)
{
    struct client *c = container_of(deadline, struct client, deadline);

    client_abort(c, "did not take its reply");
}

void client_end_after_reply(struct client *c, const char *why)
{
    if (c->endpoint == NULL || !endpoint_is_draining(c->endpoint)) {
        client_end(c, why);
        return;
    }
    stop(c);
    c->why = mem_strdup(why);
    client_set_state(c, CLIENT_CLOSING);
    deadline_arm(c->worker->loop, &c->deadline, REPLY_MS, reply_expired);
    endpoint_resume(c->endpoint);
}

void client_abort(struct client *c, const char *why)
{
    if (c->relay != NULL) {
        relay_bytes(c->relay, c->bytes);
        relay_abort(c->relay);
        c->relay = NULL;
        c->cut = true;
        metric_add(&c->worker->metrics.cut, 1);
    }
    endpoint_close(c->endpoint, true);
    c->endpoint = NULL;
    client_end(c, why);
}

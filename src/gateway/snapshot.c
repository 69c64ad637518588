/* The state of the gateway, collected from its parts. */
#include "gateway/snapshot.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/upstream_host.h"
#include "control/protocol.h"
#include "gateway/gateway_parts.h"
#include "gateway/history.h"
#include "gateway/readiness.h"
#include "gateway/srv_watch.h"
#include "session/post_quantum.h"

#include <string.h>
#include <unistd.h>

/* What an object is given, besides text that may be anything. */
static void put_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_text(text));
}

static void put_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* Upstreams and their sessions. */

static const char *session_state_name(const struct pool_session *session)
{
    return session->asking ? "awaiting authentication" : slot_state_name(session->state);
}

/* Null: there is no session yet, or it is one of a master that was joined. */
static void put_post_quantum(json_t *object, const struct connection_info *info)
{
    json_object_set_new(object, "post_quantum",
                        info != NULL && info->kex[0] != '\0'
                            ? json_boolean(kex_is_post_quantum(info->kex))
                            : json_null());
}

static json_t *session_json(int slot, const struct pool_session *session)
{
    json_t *object = json_object();

    put_number(object, "session", (uint64_t)slot);
    put_text(object, "state", session_state_name(session));
    put_text(object, "host", session->host);
    put_number(object, "worker", (uint64_t)session->worker);
    put_number(object, "channels", session->channels);
    put_number(object, "kib_per_second", session->rate);
    put_number(object, "bytes_in", session->bytes_in);
    put_number(object, "bytes_out", session->bytes_out);
    put_number(object, "seconds", session->up_ms / 1000);
    json_object_set_new(object, "round_trip_ms",
                        session->round_trip_ms >= 0 ? json_integer(session->round_trip_ms)
                                                    : json_null());
    json_object_set_new(object, "overdue", json_boolean(session->overdue));
    put_text(object, "kexalgorithm", session->info != NULL ? session->info->kex : NULL);
    put_post_quantum(object, session->info);
    return object;
}

static const char *upstream_state(const struct pool_state *state, bool asking)
{
    return state->up > 0         ? "up"
           : asking              ? "awaiting authentication"
           : state->dialling > 0 ? "dialling"
                                 : "down";
}

/* The hosts that SRV records name, added by name to `hosts`, too; null where the configuration
 * names them. */
static json_t *srv_json(const struct pool *pool, json_t *hosts)
{
    struct srv_watch_state state;
    struct pool_host host;
    json_t *object;
    json_t *targets;

    if (!pool_srv(pool, &state))
        return json_null();
    object = json_object();
    targets = json_array();
    for (size_t i = 0; pool_host(pool, i, &host); i++) {
        json_t *target = json_object();
        put_text(target, "host", host.name);
        put_number(target, "priority", host.priority);
        put_number(target, "weight", host.weight);
        put_number(target, "sessions", host.sessions);
        put_text(target, "state", host.down ? "down" : host.sessions > 0 ? "up" : "idle");
        json_array_append_new(targets, target);
        json_array_append_new(hosts, json_text(host.name));
    }
    put_text(object, "name", state.service);
    put_text(object, "error", state.error);
    put_number(object, "next_ms", state.next_ms);
    json_object_set_new(object, "targets", targets);
    return object;
}

static json_t *upstream_json(const struct pool *pool)
{
    const struct config_upstream *upstream = pool_upstream(pool);
    json_t *object = json_object();
    json_t *hosts = json_array();
    json_t *sessions = json_array();
    struct pool_session session;
    struct pool_state state;
    unsigned channels = 0;
    bool asking = false;

    pool_state(pool, &state);
    json_object_set_new(object, "srv", srv_json(pool, hosts));
    for (size_t i = 0; i < upstream->hosts.count && upstream_service(upstream) == NULL; i++)
        json_array_append_new(hosts, json_text(upstream->hosts.items[i]));
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        if (pool_session(pool, i, &session)) {
            json_array_append_new(sessions, session_json(i, &session));
            channels += session.channels;
            asking = asking || session.asking;
        }
    put_text(object, "name", upstream->name);
    put_text(object, "via", upstream->jump.count > 0 ? upstream->jump.items[0] : NULL);
    json_object_set_new(object, "hosts", hosts);
    put_text(object, "state", upstream_state(&state, asking));
    put_text(object, "error", state.error);
    json_object_set_new(object, "retry_ms",
                        state.retrying ? json_integer((json_int_t)state.retry_ms) : json_null());
    put_number(object, "up", state.up);
    put_number(object, "dialling", state.dialling);
    put_number(object, "wanted", state.wanted);
    put_number(object, "min", upstream->sessions_min);
    put_number(object, "max", upstream->sessions_max);
    put_number(object, "channels", channels);
    put_number(object, "waiting", state.waiting);
    json_object_set_new(object, "sessions", sessions);
    return object;
}

/* Listeners. */

static json_t *place_json(const struct config_place *place)
{
    char *text = place_print(place);
    json_t *value = json_text(text);

    free(text);
    return value;
}

static void add_listener(void *arg, const struct config_listen *listen, const char *address)
{
    json_t *object = json_object();

    put_text(object, "name", listen->name);
    put_text(object, "address", address);
    json_object_set_new(object, "target",
                        config_listen_leads(listen) ? place_json(&listen->target) : json_null());
    put_text(object, "via", listen->via);
    json_array_append_new(arg, object);
}

/* Forwards. */

static void find_listener(void *arg, const struct config_listen *listen, const char *address)
{
    struct forward_status *status = arg;

    (void)address;
    if (listen == &status->forward->listen)
        status->state = FORWARD_UP;
}

static void find_status(void *arg, const struct forward_status *status)
{
    struct forward_status *wanted = arg;

    if (status->forward == wanted->forward)
        *wanted = *status;
}

void status_forward(const struct gateway *g, const struct config_forward *forward,
                    struct forward_status *status)
{
    bool is_remote = forward->kind == FORWARD_REMOTE;

    *status = (struct forward_status){
        .forward = forward,
        .state = is_remote ? FORWARD_WAITING : FORWARD_DEGRADED,
        .session = -1,
    };
    if (is_remote)
        forwards_each(g->room.forwards, find_status, status);
    else
        listeners_each(g->listeners, find_listener, status);
    if (status->state == FORWARD_DEGRADED && status->error == NULL)
        status->error = "it could not be listened on";
}

static json_t *forward_json(const struct gateway *g, const struct config_forward *forward)
{
    json_t *object = json_object();
    struct forward_status status;
    bool serves = forward->target.host != NULL || forward->target.path != NULL;
    bool retried;

    status_forward(g, forward, &status);
    retried = status.state == FORWARD_DEGRADED && forward->kind == FORWARD_REMOTE;
    put_text(object, "name", forward->name);
    put_text(object, "kind", forward_kinds[forward->kind]);
    json_object_set_new(object, "bind", place_json(&forward->bind));
    json_object_set_new(object, "target", serves ? place_json(&forward->target) : json_null());
    put_text(object, "via", forward->via);
    put_text(object, "state", forward_state_name(status.state));
    put_text(object, "error", status.state == FORWARD_DEGRADED ? status.error : NULL);
    json_object_set_new(object, "retry_ms",
                        retried ? json_integer((json_int_t)status.next_in_ms) : json_null());
    json_object_set_new(object, "port", status.port != 0 ? json_integer(status.port) : json_null());
    return object;
}

/* Counters. */

void status_metrics(const struct gateway *g, struct metrics *sum)
{
    metrics_sum(sum, &g->room.metrics);
    for (unsigned i = 0; i < g->workers.count; i++)
        metrics_sum(sum, worker_metrics(g->workers.all[i]));
}

static void add_counter(void *arg, const char *group, const char *name, uint64_t value)
{
    json_t *groups = arg;
    json_t *counters = json_object_get(groups, group);

    if (counters == NULL) {
        counters = json_object();
        json_object_set_new(groups, group, counters);
    }
    put_number(counters, name, value);
}

static json_t *counters_json(const struct gateway *g)
{
    struct metrics sum = {0};
    json_t *groups = json_object();

    status_metrics(g, &sum);
    metrics_each(&sum, add_counter, groups);
    return groups;
}

json_t *status_json(const struct gateway *g)
{
    json_t *status = control_ok();
    json_t *upstreams = json_array();
    json_t *listeners = json_array();
    json_t *forwards = json_array();

    for (size_t i = 0; i < g->pool_count; i++)
        json_array_append_new(upstreams, upstream_json(g->pools[i]));
    for (size_t i = 0; i < g->generation->config->forward_count; i++)
        json_array_append_new(forwards, forward_json(g, &g->generation->config->forwards[i]));
    listeners_each(g->listeners, add_listener, listeners);
    put_text(status, "version", PACKAGE_VERSION);
    put_number(status, "pid", (uint64_t)g->options.process);
    put_text(status, "file", g->generation->config->file);
    put_text(status, "state", g->draining ? "draining" : "running");
    gateway_add_readiness(g, status);
    json_object_set_new(status, "reloading", json_boolean(config_changes_reloading(g->changes)));
    put_number(status, "seconds", (loop_now(g->loop) - g->began) / 1000);
    put_number(status, "connections", atomic_load(&g->workers.clients));
    json_object_set_new(status, "upstreams", upstreams);
    json_object_set_new(status, "listeners", listeners);
    json_object_set_new(status, "forwards", forwards);
    json_object_set_new(status, "counters", counters_json(g));
    return status;
}

void status_sample(const struct gateway *g, struct history_sample *sample)
{
    *sample = (struct history_sample){.connections = atomic_load(&g->workers.clients)};
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct session_table *table = pool_table(g->pools[i]);
        for (int slot = 0; slot < atomic_load(&table->used); slot++) {
            if (session_table_slot_state(table, slot) < SLOT_UP)
                continue;
            sample->bytes_in += atomic_load(&table->slots[slot].bytes_in);
            sample->bytes_out += atomic_load(&table->slots[slot].bytes_out);
        }
    }
}

/* Connections. */

/* Of both directions, which nearly always agree. */
static void put_pair(json_t *object, const char *key, const char *in, const char *out)
{
    char *text = strcmp(in, out) == 0 ? mem_strdup(in) : mem_printf("%s in, %s out", in, out);

    put_text(object, key, text);
    free(text);
}

static void put_info(json_t *object, const struct connection_info *info)
{
    put_text(object, "local", info->local[0] != '\0' ? info->local : NULL);
    put_text(object, "remote", info->remote[0] != '\0' ? info->remote : NULL);
    put_text(object, "user", info->user);
    put_text(object, "login", info->login);
    put_text(object, "server", info->server);
    put_text(object, "kexalgorithm", info->kex);
    put_post_quantum(object, info);
    put_text(object, "hostkeyalgorithm", info->host_key);
    put_pair(object, "cipher", info->cipher_in, info->cipher_out);
    put_pair(object, "mac", info->mac_in, info->mac_out);
    put_text(object, "compression", info->compression);
}

static json_t *connection_json(const char *upstream, int slot, const struct pool_session *session)
{
    json_t *object = json_object();

    put_text(object, "upstream", upstream);
    put_number(object, "session", (uint64_t)slot);
    put_text(object, "host", session->host);
    put_number(object, "seconds", session->up_ms / 1000);
    put_number(object, "bytes_in", session->bytes_in);
    put_number(object, "bytes_out", session->bytes_out);
    put_info(object, session->info);
    return object;
}

json_t *status_connections(const struct gateway *g)
{
    json_t *status = control_ok();
    json_t *connections = json_array();
    struct pool_session session;

    for (size_t i = 0; i < g->pool_count; i++)
        for (int slot = 0; slot < SESSION_TABLE_SLOTS; slot++)
            if (pool_session(g->pools[i], slot, &session) && session.info != NULL)
                json_array_append_new(
                    connections, connection_json(pool_upstream(g->pools[i])->name, slot, &session));
    put_number(status, "pid", (uint64_t)g->options.process);
    json_object_set_new(status, "connections", connections);
    return status;
}

/* The log. */

static void log_session(const char *upstream, int slot, const struct pool_session *session)
{
    const struct log_field fields[] = {
        ADIT_LOG_TEXT_FIELD("upstream", upstream),
        ADIT_LOG_NUMBER_FIELD("session", (uint64_t)slot),
        ADIT_LOG_TEXT_FIELD("state", session_state_name(session)),
        ADIT_LOG_TEXT_FIELD("host", session->host),
        ADIT_LOG_NUMBER_FIELD("worker", (uint64_t)session->worker),
        ADIT_LOG_NUMBER_FIELD("channels", session->channels),
        ADIT_LOG_NUMBER_FIELD("kib_per_second", session->rate),
        ADIT_LOG_NUMBER_FIELD("in", session->bytes_in),
        ADIT_LOG_NUMBER_FIELD("out", session->bytes_out),
        ADIT_LOG_TEXT_FIELD("overdue", session->overdue ? "yes" : NULL),
    };

    log_event(ADIT_LOG_INFO, "session", fields, sizeof(fields) / sizeof(fields[0]));
}

static void log_upstream(const struct pool *pool)
{
    const struct config_upstream *upstream = pool_upstream(pool);
    struct pool_session session;
    struct pool_state state;

    pool_state(pool, &state);
    log_info("upstream %s: %u up, %u dialling, %u wanted (%u-%u), %u clients waiting",
             upstream->name, state.up, state.dialling, state.wanted, upstream->sessions_min,
             upstream->sessions_max, state.waiting);
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        if (pool_session(pool, i, &session))
            log_session(upstream->name, i, &session);
}

void status_log(const struct gateway *g)
{
    struct metrics sum = {0};

    log_info("%u connections", atomic_load(&g->workers.clients));
    for (size_t i = 0; i < g->pool_count; i++)
        log_upstream(g->pools[i]);
    status_metrics(g, &sum);
    metrics_log(&sum);
}

/* Words. */

char *status_words(const struct gateway *g)
{
    const char *draining = g->draining ? "draining; " : "";
    const struct pool *worst = NULL;
    struct pool_state state;
    unsigned up = 0;

    for (size_t i = 0; i < g->pool_count; i++) {
        pool_state(g->pools[i], &state);
        up += state.up;
        if (worst == NULL && state.up == 0)
            worst = g->pools[i];
    }
    if (worst == NULL)
        return mem_printf("%s%u %s up", draining, up, up == 1 ? "session" : "sessions");
    pool_state(worst, &state);
    return mem_printf("%s%u sessions up; %s is down: %s", draining, up, pool_upstream(worst)->name,
                      state.error != NULL ? state.error : "not connected yet");
}

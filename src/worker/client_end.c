/* How a client ends: its last reply goes out, its access line is written, all that it has is given
 * back. */
#include "worker/client_account.h"
#include "worker/client_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/probe.h"
#include "worker/access_fields.h"
#include "worker/client_shell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long the endpoint of a refused client may need to take its reply. */
#define REPLY_MS 10000

/* Before the address of a client that came by a remote forward, as only the SSH server vouches for
 * it. */
#define CLAIMED "remote:"

/* Stops what is under way for the client. */
static void stop(struct client *c)
{
    deadline_cancel(&c->deadline);
    later_cancel(c->worker->loop, &c->parse_later);
    client_forget_check(c);
    client_disconnect(c);
    client_unbind(c);
    client_stop_waiting(c);
    client_unroute(c);
    client_unopen(c);
    client_shell_stop(c);
}

static void linger_expired(struct deadline *deadline)
{
    client_event(container_of(deadline, struct client, deadline), CLIENT_TIMED_OUT,
                 "did not take its reply");
}

enum client_event client_linger(struct client *c)
{
    char *why = c->request->why;

    stop(c);
    if (c->endpoint == NULL || !endpoint_is_draining(c->endpoint))
        return CLIENT_TAKEN;
    if (c->words != why)
        snprintf(why, sizeof(c->request->why), "%s", c->words);
    deadline_arm(c->worker->loop, &c->deadline, REPLY_MS, linger_expired);
    endpoint_resume(c->endpoint);
    return CLIENT_NOTHING;
}

/* The access line. */

static const char *balancer_text(const struct balancer *balancer, char *text)
{
    char address[IP_TEXT_MAX];

    if (balancer == NULL)
        return NULL;
    return balancer->is_ip
               ? hostport_format(ip_format(&balancer->ip, address), balancer->port, text)
               : "unix";
}

/* `text` has room for CLAIMED and HOSTPORT_TEXT_MAX. */
static const char *origin_text(const struct client_origin *origin, char *text)
{
    char address[IP_TEXT_MAX];

    if (!origin->is_ip)
        return origin->via_remote_forward ? "remote" : "unix";
    strcpy(text, origin->via_remote_forward ? CLAIMED : "");
    hostport_format(ip_format(&origin->ip, address), origin->port, text + strlen(text));
    return text;
}

char *client_source(const struct client *c)
{
    char text[sizeof CLAIMED + HOSTPORT_TEXT_MAX];

    return mem_strdup(origin_text(&c->origin, text));
}

const char *client_protocol_name(const struct client *c)
{
    static const char *const names[WIRE_PROTOCOLS] = {"socks5", "socks4", "http"};

    if (c->wish.protocol_known)
        return names[c->wish.protocol];
    return config_listen_leads(c->listen) ? "forward" : NULL;
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

/* A connection that came and went without a byte: a health check, or a browser that was early. */
static bool asked_nothing(const struct client *c)
{
    return c->outcome == OUTCOME_GIVEN_UP && !c->wish.protocol_known &&
           !config_listen_leads(c->listen) && buffer_length(&c->request->reading.in) == 0;
}

/* (Many come then, and the limit has a line of its own.) */
static bool is_over_limit(const struct client *c)
{
    return c->outcome == OUTCOME_LIMITED || c->outcome == OUTCOME_FULL;
}

#define KEY(field) access_fields[ACCESS_##field].key

/* (The clock may be of another loop than the one of `began`, if the client has moved.) */
static uint64_t since_began(const struct client *c, uint64_t when)
{
    return when > c->began ? when - c->began : 0;
}

static void log_access(const struct client *c)
{
    char origin[sizeof CLAIMED + HOSTPORT_TEXT_MAX];
    char balancer[HOSTPORT_TEXT_MAX];
    struct log_field fields[ACCESS_FIELDS];
    size_t n = 0;

    fields[n++] = ADIT_LOG_NUMBER_FIELD(KEY(CONNECTION), c->number);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(CLIENT), origin_text(&c->origin, origin));
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(BALANCER), balancer_text(c->origin.balancer, balancer));
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(ID), c->origin.id);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(USER), c->wish.user);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(TRIED), c->wish.tried);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(LISTEN), c->listen->name);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(PROTOCOL), client_protocol_name(c));
    if (c->wish.target != NULL && !config_listen_leads(c->listen))
        fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(COMMAND), command_name(c->wish.command));
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(TARGET), c->wish.target);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(BOUND), c->bind.bound);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(PEER), c->bind.peer);
    if (c->verdict.judged) {
        fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(VERDICT), c->verdict.allowed ? "allow" : "deny");
        fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(RULE), acl_rule_text(c->verdict.rule));
    }
    if (c->session.upstream != NULL)
        fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(UPSTREAM), c->session.upstream->name);
    if (c->session.slot >= 0)
        fields[n++] = ADIT_LOG_NUMBER_FIELD(KEY(SESSION), (uint64_t)c->session.slot);
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(OUTCOME), outcome_row(c->outcome)->name);
    fields[n++] = ADIT_LOG_NUMBER_FIELD(KEY(UP), c->bytes[0]);
    fields[n++] = ADIT_LOG_NUMBER_FIELD(KEY(DOWN), c->bytes[1]);
    if (c->reached != 0)
        fields[n++] = ADIT_LOG_NUMBER_FIELD(KEY(OPEN), since_began(c, c->reached));
    fields[n++] = ADIT_LOG_NUMBER_FIELD(KEY(MS), since_began(c, loop_now(c->worker->loop)));
    fields[n++] = ADIT_LOG_TEXT_FIELD(KEY(END), c->words);
    log_event(asked_nothing(c) || is_over_limit(c) ? ADIT_LOG_DEBUG : ADIT_LOG_INFO, "connection",
              fields, n);
}

static struct listener_counts *listener_counts_of(const struct client *c)
{
    return &c->worker->label_counts->listeners[generation_label(c->generation, c->listen)];
}

void client_count_accepted(struct client *c)
{
    metric_add(&c->worker->metrics.accepted, 1);
    metric_add(&listener_counts_of(c)->began, 1);
}

static enum label_protocol label_protocol_of(const struct client *c)
{
    static const enum label_protocol labels[WIRE_PROTOCOLS] = {
        [WIRE_SOCKS5] = LABEL_SOCKS5, [WIRE_SOCKS4] = LABEL_SOCKS4, [WIRE_HTTP] = LABEL_HTTP};

    if (c->wish.protocol_known)
        return labels[c->wish.protocol];
    return config_listen_leads(c->listen) ? LABEL_FORWARD : LABEL_UNKNOWN;
}

void client_log_request(struct client *c)
{
    struct metrics *m = &c->worker->metrics;

    log_access(c);
    label_counts_request(
        c->worker->label_counts,
        &(struct counted_request){
            .listener = generation_label(c->generation, c->listen),
            .upstream = c->session.upstream != NULL ? c->session.table->label : LABEL_NONE,
            .protocol = label_protocol_of(c),
            .outcome = c->outcome,
            .bytes = c->bytes,
            .user = c->generation->config->status.metrics_users ? c->wish.user : NULL,
        });
    metric_add(&m->outcomes[c->outcome], 1);
    metric_add(&m->bytes_up, c->bytes[0]);
    metric_add(&m->bytes_down, c->bytes[1]);
}

/* Freeing. */

/* An answer must not be overtaken by a reset. Where the protocol has no answer the reset is it. */
static bool ends_by_reset(const struct client *c)
{
    return c->listen != NULL && config_listen_leads(c->listen);
}

static void client_free(struct client *c)
{
    struct workers *workers = c->worker->workers;
    bool internal = c->listen == NULL;

    if (!internal)
        metric_add(&listener_counts_of(c)->ended, 1);
    stop(c);
    client_drop_kept(c);
    client_free_ahead(c);
    client_release_slot(c);
    endpoint_close(c->endpoint, ends_by_reset(c));
    client_forget_limits(c);
    client_forget_request(c);
    client_report(c, OUTCOME_NO_SESSION, "given up");
    buffer_clear(&c->session.moving_unsent);
    free(c->shell);
    free(c->internal);
    generation_unref(c->generation);
    client_forget_origin(c);
    free(c->wish.user);
    free(c->wish.tried);
    free(c->wish.target);
    free(c->bind.bound);
    free(c->bind.peer);
    free(c);
    if (!internal)
        workers_client_gone(workers);
}

enum client_event client_end(struct client *c)
{
    probe_connection_end(c->number, outcome_row(c->outcome)->name, c->bytes[0], c->bytes[1]);
    if (c->listen != NULL) {
        client_log_request(c);
        client_log_ahead(c);
    } else if (c->outcome == OUTCOME_OK && c->internal->ended != NULL) {
        c->internal->ended(c->internal->arg, c->cut ? c->words : NULL);
    }
    TAILQ_REMOVE(&c->worker->clients, c, link);
    client_free(c);
    return CLIENT_NOTHING;
}

/* (A client between two workers is on no worker's list.) */
enum client_event client_discard(struct client *c)
{
    if (c->session.moving) {
        close(c->session.moving_fd);
    } else {
        probe_connection_end(c->number, outcome_row(c->outcome)->name, c->bytes[0], c->bytes[1]);
        client_log_ahead(c);
        TAILQ_REMOVE(&c->worker->clients, c, link);
    }
    client_free(c);
    return CLIENT_NOTHING;
}

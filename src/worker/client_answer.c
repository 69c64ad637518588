/* What a client is told: success only when the server has confirmed the channel, or else why not,
 * in the words of the client's protocol. Then the relay has its endpoint. */
#include "worker/client_parts.h"

#include "base/log.h"
#include "wire/socks4.h"
#include "wire/socks5.h"
#include "worker/http_exchange.h"
#include "worker/client_shell.h"

#include <stdio.h>

/* Replies. */

static void say_socks5(struct client *c, enum outcome outcome)
{
    uint8_t reply[SOCKS5_REPLY_MAX];
    const struct client_request *r = c->request;
    size_t length;

    if (!r->reading.greeted)
        length = socks5_method_reply(SOCKS5_METHOD_NO_ACCEPTABLE, reply);
    else if (r->reading.wants_password)
        length = socks5_password_reply(false, reply);
    else
        length = socks5_reply(outcome, r->bound ? &r->bound_ip : NULL, r->bound_port, reply);
    endpoint_send(c->endpoint, reply, length);
}

static void say_socks4(struct client *c, enum outcome outcome)
{
    uint8_t reply[SOCKS4_REPLY_MAX];
    const struct client_request *r = c->request;

    endpoint_send(c->endpoint, reply,
                  socks4_reply(outcome, r->bound ? &r->bound_ip : NULL, r->bound_port, reply));
}

static void say_http(struct client *c, enum outcome outcome, const char *detail)
{
    char reply[HTTP_REPLY_MAX];

    endpoint_send(c->endpoint, reply, http_reply(outcome, &c->request->target, detail, reply));
}

static void say(struct client *c, enum outcome outcome, const char *detail)
{
    if (!c->wish.protocol_known)
        return;
    switch (c->wish.protocol) {
    case WIRE_SOCKS5: say_socks5(c, outcome); break;
    case WIRE_SOCKS4: say_socks4(c, outcome); break;
    case WIRE_HTTP: say_http(c, outcome, detail); break;
    }
}

void client_say_bound(struct client *c)
{
    c->request->bound = true;
    say(c, OUTCOME_OK, NULL);
    c->request->bound = false;
}

void client_report(struct client *c, enum outcome outcome, const char *detail)
{
    void (*answered)(void *arg, enum outcome outcome, const char *detail) =
        c->internal != NULL ? c->internal->answered : NULL;

    if (answered == NULL)
        return;
    c->internal->answered = NULL;
    answered(c->internal->arg, outcome, detail);
}

enum client_event client_tell_refusal(struct client *c)
{
    char *why = c->request->why;
    const char *detail = c->words;

    say(c, c->outcome, detail);
    if (detail == NULL || detail[0] == '\0')
        detail = outcome_row(c->outcome)->cause;
    /* (All that sshd says of a prohibited open in words is "open failed".) */
    snprintf(why, sizeof(c->request->why), "%s%s",
             c->outcome == OUTCOME_PROHIBITED ? "administratively prohibited: " : "", detail);
    c->words = why;
    client_report(c, c->outcome, why);
    /* ssh(1) says so too for its own forwards; for other clients the access line does. */
    if (c->listen != NULL && config_listen_leads(c->listen) && c->generation->config->file == NULL)
        log_warning("connection %llu: %s: open failed: %s", c->number, c->wish.target, why);
    return CLIENT_NOTHING;
}

/* Success. */

enum client_event client_answer(struct client *c)
{
    c->outcome = OUTCOME_OK;
    c->reached = loop_now(c->worker->loop);
    if (c->wish.command == WIRE_FORWARD)
        return CLIENT_FORWARDED;
    say(c, OUTCOME_OK, NULL);
    return CLIENT_ANSWERED;
}

void client_describe_cut(const struct client *c, int side, const char *reason, char *why,
                         size_t size)
{
    const char *const sides[] = {"client", c->origin.via_remote_forward ? "target" : "channel"};

    snprintf(why, size, "%s: %s", sides[side], reason);
}

void client_count_cut(struct client *c)
{
    c->cut = true;
    metric_add(&c->worker->metrics.cut, 1);
}

static void on_relay_done(void *arg, const struct relay_result *result)
{
    struct client *c = arg;

    c->relay = NULL;
    c->bytes[0] += result->bytes[0];
    c->bytes[1] += result->bytes[1];
    if (client_shell_waits(c, result))
        return;
    client_relay_ended(c, result);
}

void client_relay_ended(struct client *c, const struct relay_result *result)
{
    char why[300];

    if (result->failed < 0) {
        client_event(c, CLIENT_CLOSED, result->reason);
        return;
    }
    client_count_cut(c);
    client_describe_cut(c, result->failed, result->reason, why, sizeof(why));
    client_event(c, CLIENT_FAILED, why);
}

enum client_event client_relay(struct client *c)
{
    struct client_request *r = c->request;
    struct relay_start start = {
        .early_a = &r->reading.in,
        .early_b = &r->from_origin,
        .until_b_closed = client_is_shell(c), /* (its exit status follows the end of data) */
        .done = on_relay_done,
        .arg = c,
    };

    client_pace_begin(c);
    start.a = c->endpoint;
    start.b = r->opened;
    c->endpoint = NULL;
    r->opened = NULL;
    c->relay = relay_new(c->worker->loop, &start);
    client_forget_request(c);
    client_watch_idle(c);
    client_shell_look(c);
    client_report(c, OUTCOME_OK, NULL);
    return CLIENT_NOTHING;
}

enum client_event client_reset(struct client *c)
{
    if (c->relay != NULL) {
        uint64_t bytes[2];
        relay_bytes(c->relay, bytes);
        c->bytes[0] += bytes[0];
        c->bytes[1] += bytes[1];
        relay_abort(c->relay);
        c->relay = NULL;
        client_count_cut(c);
    }
    if (c->exchange != NULL) {
        http_exchange_bytes(c->exchange, c->bytes);
        http_exchange_abort(c->exchange);
        c->exchange = NULL;
        client_count_cut(c);
    }
    endpoint_close(c->endpoint, true);
    c->endpoint = NULL;
    return CLIENT_NOTHING;
}

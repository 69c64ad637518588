/* What a client is told: yes only after the server confirmed the channel, else why not, in its
 * protocol's words. */
#include "worker/client_parts.h"

#include "worker/http_exchange.h"
#include "wire/socks4.h"
#include "wire/socks5.h"

#include <stdio.h>

static void say_socks5(struct client *c, enum outcome outcome)
{
    uint8_t reply[SOCKS5_REPLY_MAX];
    const struct request *r = c->request;

    if (!r->greeted)
        endpoint_send(c->endpoint, reply, socks5_method_reply(SOCKS5_METHOD_NO_ACCEPTABLE, reply));
    else if (r->wants_password)
        endpoint_send(c->endpoint, reply, socks5_password_reply(false, reply));
    else
        endpoint_send(c->endpoint, reply,
                      socks5_reply(outcome, r->bound ? &r->bound_ip : NULL, r->bound_port, reply));
}

static void say_socks4(struct client *c, enum outcome outcome)
{
    uint8_t reply[SOCKS4_REPLY_MAX];
    const struct request *r = c->request;

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
    if (!c->protocol_known)
        return;
    switch (c->protocol) {
    case WIRE_SOCKS5: say_socks5(c, outcome); break;
    case WIRE_SOCKS4: say_socks4(c, outcome); break;
    case WIRE_HTTP: say_http(c, outcome, detail); break;
    }
}

void client_say_bound(struct client *c, const struct ip *ip, uint16_t port)
{
    struct request *r = c->request;

    r->bound = true;
    r->bound_ip = *ip;
    r->bound_port = port;
    say(c, OUTCOME_OK, NULL);
    r->bound = false;
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

void client_refuse(struct client *c, enum outcome outcome, const char *detail)
{
    char why[300];

    c->outcome = outcome;
    say(c, outcome, detail);
    if (detail == NULL || detail[0] == '\0')
        detail = outcome_row(outcome)->cause;
    /* (All that sshd says of it in words is "open failed".) */
    snprintf(why, sizeof(why), "%s%s",
             outcome == OUTCOME_PROHIBITED ? "administratively prohibited: " : "", detail);
    client_report(c, outcome, why);
    /* ssh says so too; to others the access line does. */
    if (c->listen != NULL && config_listen_leads(c->listen) && c->generation->config->file == NULL)
        log_warning("%s: open failed: %s", c->target, why);
    client_end_after_reply(c, why);
}

static void relay_done(void *arg, const struct relay_result *result)
{
    struct client *c = arg;
    const char *const sides[] = {"client", c->via_remote_forward ? "target" : "channel"};
    char why[300];

    c->relay = NULL;
    c->bytes[0] = result->bytes[0];
    c->bytes[1] = result->bytes[1];
    if (result->failed < 0) {
        client_end(c, result->reason);
        return;
    }
    c->cut = true;
    metric_add(&c->worker->metrics.cut, 1);
    snprintf(why, sizeof(why), "%s: %s", sides[result->failed], result->reason);
    client_end(c, why);
}

/* The bytes that go to the origin first: the rewritten head, and what of the body has come with it.
 * Bytes after the body are the client's next request, which this connection does not serve. */
static bool prepare_forward(struct client *c)
{
    struct request *r = c->request;
    bool bad = false;
    size_t part = http_body_take(&r->body, buffer_data(&r->in), buffer_length(&r->in), &bad);

    buffer_append(&r->head, buffer_data(&r->in), part);
    if (bad)
        return false;
    c->endpoint = http_exchange_new(c->worker->loop, c->endpoint, &r->body, &r->target);
    return true;
}

void client_answer_open(struct client *c, struct endpoint *channel)
{
    struct request *r = c->request;
    struct endpoint *endpoint;
    const struct buffer *early = &r->in;

    if (c->command == WIRE_FORWARD) {
        if (!prepare_forward(c)) {
            endpoint_close(channel, true);
            client_refuse(c, OUTCOME_MALFORMED, "malformed chunked body");
            return;
        }
        early = &r->head;
    } else {
        say(c, OUTCOME_OK, NULL);
    }
    c->outcome = OUTCOME_OK;
    client_set_state(c, CLIENT_RELAYING);
    endpoint = c->endpoint;
    c->endpoint = NULL;
    c->relay = relay_new(c->worker->loop, &(struct relay_start){
                                              .a = endpoint,
                                              .b = channel,
                                              .early_a = early,
                                              .done = relay_done,
                                              .arg = c,
                                          });
    client_forget_request(c);
    client_report(c, OUTCOME_OK, NULL);
}

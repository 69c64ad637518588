/* What a client wants: the first byte decides the protocol, the parsers of wire/ do the rest. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "wire/socks4.h"
#include "wire/socks5.h"

#include <string.h>

/* What a step of asking comes to. */
enum step {
    STEP_AGAIN, /* there may be more to parse */
    STEP_MORE,  /* more bytes are needed */
    STEP_GONE,  /* the client does something else, or has ended: it is not to be touched */
};

/* A password being checked on libuv's thread pool: crypt(3) takes its time by design. */
struct verification {
    uv_work_t work;
    struct client *client; /* NULL: it has gone */
    struct generation *generation;
    const struct users *users;
    struct wire_credentials credentials;
    bool accepted;
};

/* Credentials verified for one users file are nothing to another. */
static uint64_t users_tag(const struct client *c)
{
    return c->generation->serial << 16 | (uint64_t)(c->listen - c->generation->config->listens);
}

static enum step refuse(struct client *c, enum outcome outcome)
{
    client_refuse(c, outcome, NULL);
    return STEP_GONE;
}

static enum step route(struct client *c)
{
    char text[HOSTPORT_TEXT_MAX];

    c->target = mem_strdup(hostport_format(c->request->target.host, c->request->target.port, text));
    deadline_cancel(&c->deadline);
    client_route(c);
    return STEP_GONE;
}

/* The password was looked at. */
static enum step authenticated(struct client *c, bool accepted)
{
    struct request *r = c->request;
    uint8_t reply[2];

    client_set_state(c, CLIENT_ASKING);
    if (!accepted)
        return refuse(c, OUTCOME_AUTHENTICATION);
    c->user = mem_strdup(r->credentials.user);
    explicit_bzero(&r->credentials, sizeof(r->credentials));
    if (c->protocol == WIRE_HTTP)
        return route(c);
    r->wants_password = false;
    endpoint_send(c->endpoint, reply, socks5_password_reply(true, reply));
    return STEP_AGAIN;
}

static void verify(uv_work_t *work)
{
    struct verification *v = container_of(work, struct verification, work);

    v->accepted = users_verify(v->users, v->credentials.user, v->credentials.password);
}

static void verified(uv_work_t *work, int status)
{
    struct verification *v = container_of(work, struct verification, work);
    struct client *c = v->client;
    bool accepted = status == 0 && v->accepted;

    if (c != NULL) {
        c->verification = NULL;
        if (accepted)
            credential_cache_add(c->worker->credentials, users_tag(c), v->credentials.user,
                                 v->credentials.password, loop_now(c->worker->loop));
    }
    generation_unref(v->generation);
    mem_free_secret(v, sizeof(*v));
    if (c != NULL && authenticated(c, accepted) == STEP_AGAIN)
        client_ask(c);
}

void client_forget_verification(struct client *c)
{
    if (c->verification == NULL)
        return;
    c->verification->client = NULL;
    uv_cancel((uv_req_t *)&c->verification->work); /* if it has not begun yet */
    c->verification = NULL;
}

static enum step authenticate(struct client *c)
{
    const struct wire_credentials *given = &c->request->credentials;
    struct verification *v;

    if (credential_cache_has(c->worker->credentials, users_tag(c), given->user, given->password,
                             loop_now(c->worker->loop)))
        return authenticated(c, true);
    v = mem_zalloc(sizeof(*v));
    v->client = c;
    v->generation = generation_ref(c->generation); /* the users lie in it */
    v->users = c->listen->users;
    v->credentials = *given;
    c->verification = v;
    client_set_state(c, CLIENT_VERIFYING);
    uv_queue_work(loop_uv(c->worker->loop), &v->work, verify, verified);
    return STEP_GONE;
}

static bool needs_password(const struct client *c)
{
    return c->listen->auth == LISTEN_AUTH_PASSWORD;
}

static enum step ask_socks5_method(struct client *c)
{
    struct request *r = c->request;
    struct socks5_greeting offered;
    uint8_t method = needs_password(c) ? SOCKS5_METHOD_PASSWORD : SOCKS5_METHOD_NONE;
    uint8_t reply[2];
    size_t used;

    switch (socks5_greeting_parse(buffer_data(&r->in), buffer_length(&r->in), &used, &offered)) {
    case WIRE_MORE: return STEP_MORE;
    case WIRE_BAD: return refuse(c, OUTCOME_MALFORMED);
    case WIRE_OK: break;
    }
    buffer_consume(&r->in, used);
    if (needs_password(c) ? !offered.password : !offered.none)
        return refuse(c, OUTCOME_AUTHENTICATION);
    endpoint_send(c->endpoint, reply, socks5_method_reply(method, reply));
    r->greeted = true;
    r->wants_password = needs_password(c);
    return STEP_AGAIN;
}

static enum step ask_socks5_password(struct client *c)
{
    struct request *r = c->request;
    size_t used;

    switch (
        socks5_password_parse(buffer_data(&r->in), buffer_length(&r->in), &used, &r->credentials)) {
    case WIRE_MORE: return STEP_MORE;
    case WIRE_BAD: return refuse(c, OUTCOME_AUTHENTICATION);
    case WIRE_OK: break;
    }
    buffer_consume(&r->in, used);
    return authenticate(c);
}

static enum step ask_socks5_request(struct client *c)
{
    struct request *r = c->request;
    struct socks_request socks;
    size_t used;

    switch (socks5_request_parse(buffer_data(&r->in), buffer_length(&r->in), &used, &socks)) {
    case WIRE_MORE: return STEP_MORE;
    case WIRE_BAD: return refuse(c, socks.outcome);
    case WIRE_OK: break;
    }
    c->command = socks.command;
    r->target = socks.target;
    buffer_consume(&r->in, used);
    return route(c);
}

static enum step ask_socks5(struct client *c)
{
    if (!c->request->greeted)
        return ask_socks5_method(c);
    if (c->request->wants_password)
        return ask_socks5_password(c);
    return ask_socks5_request(c);
}

static enum step ask_socks4(struct client *c)
{
    struct request *r = c->request;
    struct socks_request socks; /* rules do not use its user, which is not proved */
    size_t used;

    switch (socks4_request_parse(buffer_data(&r->in), buffer_length(&r->in), &used, &socks)) {
    case WIRE_MORE: return STEP_MORE;
    case WIRE_BAD: return refuse(c, socks.outcome);
    case WIRE_OK: break;
    }
    c->command = socks.command;
    r->target = socks.target;
    buffer_consume(&r->in, used);
    return needs_password(c) ? refuse(c, OUTCOME_AUTHENTICATION) : route(c);
}

#define HTTP_LOOK_ALWAYS 256

static enum step ask_http(struct client *c)
{
    struct request *r = c->request;
    struct http_request http;
    enum outcome bad = OUTCOME_MALFORMED;
    size_t used;

    /* A head that comes byte by byte is looked at when a line is whole (its first bytes always:
     * they tell what is no HTTP at all), or it would cost the square of its length. */
    if (r->looked_at > HTTP_LOOK_ALWAYS && buffer_length(&r->in) < HTTP_HEAD_MAX &&
        memchr(buffer_data(&r->in) + r->looked_at, '\n', buffer_length(&r->in) - r->looked_at) ==
            NULL)
        return STEP_MORE;
    r->looked_at = buffer_length(&r->in);
    switch (http_request_parse(buffer_data(&r->in), buffer_length(&r->in), &used, &http, &bad)) {
    case WIRE_MORE: return STEP_MORE;
    case WIRE_BAD: return refuse(c, bad);
    case WIRE_OK: break;
    }
    c->command = http.command;
    r->target = http.target;
    r->credentials = http.credentials;
    r->body = http.body;
    if (http.command == WIRE_FORWARD) {
        uint8_t *head = buffer_reserve(&r->head, http_rewrite_max(&http));
        buffer_commit(&r->head, http_request_rewrite(&http, head));
    }
    explicit_bzero(&http.credentials, sizeof(http.credentials));
    buffer_consume(&r->in, used);
    if (!needs_password(c))
        return route(c);
    return r->credentials.given ? authenticate(c) : refuse(c, OUTCOME_AUTHENTICATION);
}

static enum step ask_protocol(struct client *c)
{
    if (buffer_length(&c->request->in) == 0)
        return STEP_MORE;
    c->protocol = wire_sniff(buffer_data(&c->request->in)[0]);
    c->protocol_known = true;
    if (!c->listen->protocols[c->protocol]) {
        client_end(c, "protocol not served");
        return STEP_GONE;
    }
    return STEP_AGAIN;
}

static enum step ask_step(struct client *c)
{
    if (!c->protocol_known)
        return ask_protocol(c);
    switch (c->protocol) {
    case WIRE_SOCKS5: return ask_socks5(c);
    case WIRE_SOCKS4: return ask_socks4(c);
    case WIRE_HTTP: return ask_http(c);
    }
    return STEP_GONE;
}

void client_ask(struct client *c)
{
    enum step step;

    do
        step = ask_step(c);
    while (step == STEP_AGAIN);
    if (step == STEP_MORE && c->request->eof)
        client_end_after_reply(c, "closed before asking");
}

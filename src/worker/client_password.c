/* Passwords: the keeper has their hashes, and checks them (keeper/password_checks.c). */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "wire/socks5.h"

#include <string.h>

struct password_check {
    struct service_request *request;
    struct client *client;
    struct wire_credentials credentials;
};

/* Credentials that one users file accepts are nothing to another. */
static uint64_t users_tag(const struct client *c)
{
    return c->generation->serial << 16 | (uint64_t)(c->listen - c->generation->config->listens);
}

/* The password was right: the client is told where its protocol has a message for it. */
static void accept_password(struct client *c)
{
    struct client_reading *reading = &c->request->reading;
    uint8_t reply[2];

    c->wish.user = mem_strdup(reading->credentials.user);
    explicit_bzero(&reading->credentials, sizeof(reading->credentials));
    if (c->wish.protocol == WIRE_HTTP)
        return;
    reading->wants_password = false;
    endpoint_send(c->endpoint, reply, socks5_password_reply(true, reply));
}

static void free_check(struct password_check *check)
{
    mem_free_secret(check, sizeof(*check));
}

/* A right password, of a user whom the listener admits. */
static void on_right(struct client *c)
{
    accept_password(c);
    client_event(c, CLIENT_CHECKED, NULL);
}

/* (Whatever is no verdict leaves the client outside.) */
static void on_password_checked(void *arg, const struct service_answer *answer)
{
    struct password_check *check = arg;
    struct client *c = check->client;
    const struct wire_credentials *given = &check->credentials;
    bool checked = answer->kind == SERVICE_VERDICT && answer->numbers[0] != SERVICE_UNCHECKED;
    bool right = checked && answer->numbers[0] == SERVICE_RIGHT &&
                 config_listen_admits(c->generation->config, c->listen, given->user);

    c->check = NULL;
    if (right)
        credential_cache_add(c->worker->credentials, users_tag(c), given->user, given->password,
                             loop_now(c->worker->loop));
    else if (checked)
        c->wish.tried = mem_strdup(given->user);
    free_check(check);
    if (right)
        on_right(c);
    else if (checked)
        client_refuse(c, OUTCOME_AUTHENTICATION, NULL);
    else
        client_refuse(c, OUTCOME_SHORTAGE, "the password cannot be checked now");
}

void client_forget_check(struct client *c)
{
    if (c->check == NULL)
        return;
    service_forget(c->check->request);
    free_check(c->check);
    c->check = NULL;
}

bool client_password_is_known(const struct client *c, const struct wire_credentials *given)
{
    return credential_cache_has(c->worker->credentials, users_tag(c), given->user, given->password,
                                loop_now(c->worker->loop));
}

enum client_event client_check(struct client *c)
{
    const struct wire_credentials *given = &c->request->reading.credentials;
    uint64_t source = client_source_hash(c);
    struct password_check *check;

    if (!client_may_ask(c))
        return client_refuse_limited(c);
    if (client_password_is_known(c, given)) {
        accept_password(c);
        return CLIENT_CHECKED;
    }
    check = mem_zalloc(sizeof(*check));
    check->client = c;
    check->credentials = *given;
    c->check = check;
    check->request = service_ask(
        c->worker->service,
        &(struct service_question){
            .kind = SERVICE_PASSWORD,
            .numbers = {(uint32_t)(source >> 32), (uint32_t)source, false},
            .texts = {c->listen->name, check->credentials.user, check->credentials.password},
        },
        on_password_checked, check);
    return CLIENT_NOTHING;
}

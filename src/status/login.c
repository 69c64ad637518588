/* Who may see the pages: names and passwords of HTTP Basic authentication (RFC 7617). The keeper
 * has the passwords' hashes, and checks them. */
#include "base/mem.h"
#include "status/server_parts.h"

#include <string.h>

/* A password that is being checked. */
struct status_login {
    struct service_request *request;
    struct status_client *client;
    uint64_t generation;
    struct wire_credentials credentials;
};

static void status_login_free(struct status_login *login)
{
    mem_free_secret(login, sizeof(*login));
}

/* (Whatever is no verdict leaves the client outside.) */
static void on_password_verified(void *arg, const struct service_answer *answer)
{
    struct status_login *login = arg;
    struct status_client *client = login->client;
    struct status_server *server = client->server;
    enum service_verdict verdict = answer->kind == SERVICE_VERDICT
                                       ? (enum service_verdict)answer->numbers[0]
                                       : SERVICE_UNCHECKED;

    if (verdict == SERVICE_RIGHT)
        credential_cache_add(server->credentials, login->generation, login->credentials.user,
                             login->credentials.password, loop_now(server->loop));
    status_login_free(login);
    client->login = NULL;
    status_client_logged_in(client, verdict == SERVICE_RIGHT   ? LOGIN_GOOD
                                    : verdict == SERVICE_WRONG ? LOGIN_NONE
                                                               : LOGIN_UNCHECKED);
}

enum login_verdict status_login_check(struct status_client *client,
                                      const struct http_origin_request *request)
{
    struct status_server *server = client->server;
    const struct wire_credentials *given = &request->credentials;
    struct status_login *login;

    if (server->config->status.listen.users == NULL)
        return LOGIN_GOOD;
    if (!given->given)
        return LOGIN_NONE;
    if (credential_cache_has(server->credentials, server->generation, given->user, given->password,
                             loop_now(server->loop)))
        return LOGIN_GOOD;
    login = mem_zalloc(sizeof(*login));
    login->client = client;
    login->generation = server->generation;
    login->credentials = *given;
    client->login = login;
    login->request = service_ask(
        server->service,
        &(struct service_question){
            .kind = SERVICE_PASSWORD,
            .numbers = {(uint32_t)(client->source >> 32), (uint32_t)client->source, true},
            .texts = {"", login->credentials.user, login->credentials.password},
        },
        on_password_verified, login);
    return LOGIN_UNDER_WAY;
}

void status_login_forget(struct status_client *client)
{
    struct status_login *login = client->login;

    if (login == NULL)
        return;
    client->login = NULL;
    service_forget(login->request);
    status_login_free(login);
}

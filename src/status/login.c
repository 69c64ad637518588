/* Who may see the pages: names and passwords of HTTP Basic authentication (RFC 7617). */
#include "base/mem.h"
#include "status/server_parts.h"

#include <string.h>

/* A password that is being checked, or waits until those before it were. */
struct status_login {
    TAILQ_ENTRY(status_login) link;
    uv_work_t work;
    struct status_client *client; /* NULL: it has gone */
    struct status_server *server; /* NULL: likewise */
    struct config *config;        /* the users lie in it */
    uint64_t generation;
    struct wire_credentials credentials;
    bool accepted;
};

static void status_login_free(struct status_login *login)
{
    config_unref(login->config);
    mem_free_secret(login, sizeof *login);
}

static void verify_password(uv_work_t *work)
{
    struct status_login *login = container_of(work, struct status_login, work);

    login->accepted = users_verify(login->config->status.listen.users, login->credentials.user,
                                   login->credentials.password);
}

static void check_first(struct status_server *server);

static void on_password_verified(uv_work_t *work, int status)
{
    struct status_login *login = container_of(work, struct status_login, work);
    struct status_server *server = login->server;
    struct status_client *client = login->client;
    bool accepted = status == 0 && login->accepted;

    if (server == NULL) {
        status_login_free(login);
        return;
    }
    TAILQ_REMOVE(&server->logins, login, link);
    if (accepted)
        credential_cache_add(server->credentials, login->generation, login->credentials.user,
                             login->credentials.password, loop_now(server->loop));
    status_login_free(login);
    check_first(server);
    if (client != NULL) {
        client->login = NULL;
        status_client_logged_in(client, accepted);
    }
}

static void check_first(struct status_server *server)
{
    struct status_login *login = TAILQ_FIRST(&server->logins);

    if (login != NULL)
        uv_queue_work(loop_uv(server->loop), &login->work, verify_password, on_password_verified);
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
    login = mem_zalloc(sizeof *login);
    login->client = client;
    login->server = server;
    login->config = config_ref(server->config);
    login->generation = server->generation;
    login->credentials = *given;
    client->login = login;
    TAILQ_INSERT_TAIL(&server->logins, login, link);
    if (TAILQ_FIRST(&server->logins) == login)
        check_first(server);
    return LOGIN_UNDER_WAY;
}

/* (The one that a thread is checking stays first on the list until the thread has done that, so
 * that clients that come and go keep no more than one thread busy.) */
void status_login_forget(struct status_client *client)
{
    struct status_login *login = client->login;
    struct status_server *server = client->server;

    if (login == NULL)
        return;
    client->login = NULL;
    login->client = NULL;
    if (login == TAILQ_FIRST(&server->logins))
        return;
    TAILQ_REMOVE(&server->logins, login, link);
    status_login_free(login);
}

void status_logins_free(struct status_server *server)
{
    struct status_login *login = TAILQ_FIRST(&server->logins);

    if (login != NULL)
        login->server = NULL;
}

/* What came in at the far side by a remote forward: it leads to a place that this machine reaches.
 * A forward's own target is the configuration's word; where a client of its SOCKS asks to go, the
 * rules and PermitRemoteOpen (ssh_config(5)) judge. */
#include "worker/client_parts.h"

#include "base/mem.h"
#include "worker/resolvers.h"
#include "io/socket.h"
#include "io/unix_connect.h"
#include "policy/permit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool allowed(struct client *c, const struct ip *ip)
{
    const struct string_list *permitted = &c->upstream->permit_remote_open;
    const struct wire_target *target = &c->request->target;

    if (config_listen_leads(c->listen))
        return true;
    return client_judge(c, ip) && permit_allows((const char *const *)permitted->items,
                                                permitted->count, target->host, target->port);
}

static void failed(struct client *c, const char *error)
{
    client_refuse(c, outcome_from_open_failure(2, error), error); /* SSH_OPEN_CONNECT_FAILED */
}

/* Somebody is there: now whoever came in is let in. */
static void reached(struct client *c, int fd)
{
    struct endpoint *target = socket_endpoint_new(c->worker->loop, fd);

    if (target == NULL) {
        close(fd);
        client_refuse(c, OUTCOME_SHORTAGE, "no descriptors");
        return;
    }
    if (c->forwarded != NULL)
        c->endpoint = forwarded_open_accept(c->forwarded);
    c->forwarded = NULL;
    client_answer_open(c, target);
}

static void connected(void *arg, int fd, const struct ip *address, const char *error)
{
    struct client *c = arg;

    (void)address;
    c->connect = NULL;
    if (fd < 0)
        failed(c, error);
    else
        reached(c, fd);
}

static void connect_to(struct client *c, const struct ip *addresses, size_t count)
{
    client_set_state(c, CLIENT_CONNECTING);
    c->connect = connect_start(c->worker->loop,
                               &(struct connect_options){
                                   .addresses = addresses,
                                   .count = count,
                                   .port = c->request->target.port,
                                   .timeout_ms = c->upstream->open_timeout_ms,
                                   .use = DESCRIPTOR_REMOTE_FORWARD,
                               },
                               connected, c);
}

static void looked_up(void *arg, enum resolve_status status, const struct ip *addresses,
                      size_t count, const char *error)
{
    struct client *c = arg;

    c->resolve = NULL;
    if (status != RESOLVE_FOUND)
        client_refuse(c, OUTCOME_UNKNOWN_HOST, error);
    else if (client_keep_allowed(c, addresses, count, allowed))
        connect_to(c, c->request->addresses, c->request->address_count);
    else
        client_refuse(c, OUTCOME_DENIED, NULL);
}

static void connect_to_path(struct client *c)
{
    int fd = unix_connect(c->listen->target.path, DESCRIPTOR_REMOTE_FORWARD);

    if (fd < 0)
        failed(c, strerror(errno));
    else
        reached(c, fd);
}

void client_connect(struct client *c)
{
    const struct request *r = c->request;

    if (r->to_path)
        connect_to_path(c);
    else if (!r->target.is_ip)
        client_look_up(c, RESOLVE_LOCAL, looked_up);
    else if (allowed(c, &r->target.ip))
        connect_to(c, &r->target.ip, 1);
    else
        client_refuse(c, OUTCOME_DENIED, NULL);
}

void client_disconnect(struct client *c)
{
    connect_cancel(c->connect);
    c->connect = NULL;
    if (c->forwarded != NULL)
        forwarded_open_refuse(c->forwarded);
    c->forwarded = NULL;
}

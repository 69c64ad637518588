/* A client that came in at the far side by a remote forward: its target is reached from this
 * machine. A forward's own target is the configuration's choice; where a client of the forward's
 * SOCKS asks to go, the rules and PermitRemoteOpen (ssh_config(5)) decide. */
#include "worker/client_parts.h"

#include "io/socket.h"
#include "policy/permit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool client_may_connect(struct client *c, const struct ip *ip)
{
    const struct string_list *permitted = &c->session.upstream->permit_remote_open;
    const struct wire_target *target = &c->request->target;

    if (config_listen_leads(c->listen))
        return true;
    return client_judge(c, ip) && permit_allows((const char *const *)permitted->items,
                                                permitted->count, target->host, target->port);
}

static enum client_event connect_refused(struct client *c, const char *error)
{
    /* 2: SSH_OPEN_CONNECT_FAILED */
    return client_refused(c, outcome_from_open_failure(2, error), error);
}

/* The target is reached: now the forwarded open is accepted. */
static enum client_event target_reached(struct client *c, int fd)
{
    struct endpoint *target = socket_endpoint_new(c->worker->loop, fd);

    if (target == NULL) {
        close(fd);
        return client_refused(c, OUTCOME_SHORTAGE, "no descriptors");
    }
    if (c->forwarded != NULL)
        c->endpoint = forwarded_open_accept(c->forwarded);
    c->forwarded = NULL;
    c->request->opened = target;
    return CLIENT_OPENED;
}

static void on_connected(void *arg, int fd, const struct ip *address, const char *error)
{
    struct client *c = arg;
    enum client_event found;

    (void)address;
    c->connect = NULL;
    found = fd < 0 ? connect_refused(c, error) : target_reached(c, fd);
    client_event(c, found, c->words);
}

static void on_path_answered(void *arg, const struct service_answer *answer)
{
    struct client *c = arg;
    int fd = descriptor_unless_reserved(answer->fds[0], DESCRIPTOR_REMOTE_FORWARD);
    int error = answer->kind == SERVICE_FAILED ? (int)answer->numbers[0] : EMFILE;
    enum client_event found;

    c->path_connect = NULL;
    found = fd < 0 ? connect_refused(c, strerror(error)) : target_reached(c, fd);
    client_event(c, found, c->words);
}

/* (The keeper connects to unix sockets: it knows the forward's.) */
static enum client_event connect_to_path(struct client *c)
{
    c->path_connect =
        service_ask(c->worker->service,
                    &(struct service_question){.kind = SERVICE_FORWARD, .texts = {c->listen->name}},
                    on_path_answered, c);
    return CLIENT_NOTHING;
}

enum client_event client_connect(struct client *c)
{
    const struct client_request *r = c->request;
    bool is_ip = r->target.is_ip;

    if (r->way.to_path)
        return connect_to_path(c);
    c->connect = connect_start(c->worker->loop,
                               &(struct connect_options){
                                   .addresses = is_ip ? &r->target.ip : r->way.addresses,
                                   .count = is_ip ? 1 : r->way.address_count,
                                   .port = r->target.port,
                                   .timeout_ms = c->session.upstream->open_timeout_ms,
                                   .use = DESCRIPTOR_REMOTE_FORWARD,
                               },
                               on_connected, c);
    return CLIENT_NOTHING;
}

void client_disconnect(struct client *c)
{
    connect_cancel(c->connect);
    c->connect = NULL;
    service_forget(c->path_connect);
    c->path_connect = NULL;
    if (c->forwarded != NULL)
        forwarded_open_refuse(c->forwarded);
    c->forwarded = NULL;
}

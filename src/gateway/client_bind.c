/* BIND (RFC 1928 sections 4 and 6; SOCKS4): somebody shall connect to the client, at a port of the
 * SSH server's. */
#include "gateway/client_parts.h"

#include <stdlib.h>

/* So many of a worker's clients may wait for somebody at a time: each has a port of the server's.
 */
#define BINDS_MAX 32

/* How long one may. */
#define BIND_WAIT_MS ((uint64_t)3 * 60 * 1000)

static void nobody_came(struct deadline *deadline)
{
    client_refuse(container_of(deadline, struct client, deadline), OUTCOME_OPEN_TIMEOUT,
                  "nobody connected");
}

static void not_answered(struct deadline *deadline)
{
    client_refuse(container_of(deadline, struct client, deadline), OUTCOME_OPEN_TIMEOUT, NULL);
}

static void on_answered(void *arg, uint16_t port)
{
    struct client *c = arg;

    if (port == 0) {
        client_refuse(c, OUTCOME_PROHIBITED, "the server does not listen for us");
        return;
    }
    c->outcome = OUTCOME_OK; /* should the client not wait for what comes of it */
    client_say_bound(c, &c->request->bound_ip, port);
    deadline_arm(c->worker->loop, &c->deadline, BIND_WAIT_MS, nobody_came);
}

/* The address that the client expects, if it named one, is the only one let in (RFC 1928 section 4:
 * DST). */
static bool is_expected(const struct client *c, const struct ip *peer)
{
    const struct wire_target *target = &c->request->target;

    return !target->is_ip || ip_is_unspecified(&target->ip) || ip_equal(&target->ip, peer);
}

static void on_arrived(void *arg, struct arrival *arrival, const char *origin, uint16_t origin_port)
{
    struct client *c = arg;
    struct ip peer;
    struct endpoint *channel;

    if (!ip_parse(origin, &peer) || !is_expected(c, &peer)) {
        arrival_refuse(arrival);
        return;
    }
    channel = arrival_accept(arrival);
    client_unbind(c); /* one connection only */
    deadline_cancel(&c->deadline);
    c->request->bound = true;
    c->request->bound_ip = peer;
    c->request->bound_port = origin_port;
    client_answer_open(c, channel);
}

static void on_lost(void *arg)
{
    struct client *c = arg;

    c->bind = NULL;
    c->worker->binds--;
    client_refuse(c, OUTCOME_NO_SESSION, "session lost");
}

static const struct session_listen_events bind_events = {
    .answered = on_answered,
    .arrived = on_arrived,
    .lost = on_lost,
};

void client_bind(struct client *c, struct session *session)
{
    if (c->worker->binds >= BINDS_MAX) {
        client_refuse(c, OUTCOME_SHORTAGE, "too many wait for somebody already");
        return;
    }
    /* (The server does not say by which of its addresses it is reached; the one that we reach it by
     * is the best guess.) */
    if (!session_peer(session, &c->request->bound_ip))
        ip_parse("0.0.0.0", &c->request->bound_ip);
    client_set_state(c, CLIENT_BINDING);
    deadline_arm(c->worker->loop, &c->deadline, c->upstream->open_timeout_ms, not_answered);
    c->worker->binds++;
    c->bind = session_listen(session, "", 0, &bind_events, c);
}

void client_unbind(struct client *c)
{
    if (c->bind == NULL)
        return;
    session_listen_free(c->bind);
    c->bind = NULL;
    c->worker->binds--;
}

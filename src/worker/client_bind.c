/* BIND (RFC 1928 sections 4 and 6; SOCKS4): somebody shall connect to the client, at a port of the
 * SSH server's. */
#include "worker/client_parts.h"

#include "base/hostport.h"
#include "base/mem.h"

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

static char *place_text(const struct ip *ip, uint16_t port)
{
    char address[IP_TEXT_MAX];
    char text[HOSTPORT_TEXT_MAX];

    return mem_strdup(hostport_format(ip_format(ip, address), port, text));
}

static void on_answered(void *arg, uint16_t port)
{
    struct client *c = arg;

    if (port == 0) {
        client_refuse(c, OUTCOME_PROHIBITED, "the server does not listen for us");
        return;
    }
    c->outcome = OUTCOME_OK; /* should the client not wait for what comes of it */
    c->bound = place_text(&c->request->bound_ip, port);
    client_say_bound(c, &c->request->bound_ip, port);
    deadline_arm(c->worker->loop, &c->deadline, BIND_WAIT_MS, nobody_came);
}

/* The address that the client expects is the only one let in (RFC 1928 section 4: DST). Where it
 * expects anybody, the rules judge who comes as if the client had named that address. */
static bool is_expected(const struct client *c, const struct ip *peer)
{
    const struct wire_target *target = &c->request->target;
    char text[IP_TEXT_MAX];

    if (!ip_is_unspecified(&target->ip))
        return ip_equal(&target->ip, peer);
    return client_verdict(c, ip_format(peer, text), peer).allow;
}

static void on_forwarded(void *arg, struct forwarded_open *forwarded, const char *origin,
                         uint16_t origin_port)
{
    struct client *c = arg;
    struct ip peer;
    struct endpoint *channel;

    if (!ip_parse(origin, &peer) || !is_expected(c, &peer)) {
        forwarded_open_refuse(forwarded);
        return;
    }
    channel = forwarded_open_accept(forwarded);
    client_unbind(c); /* one connection only */
    deadline_cancel(&c->deadline);
    c->request->bound = true;
    c->request->bound_ip = peer;
    c->request->bound_port = origin_port;
    c->bind_peer = place_text(&peer, origin_port);
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
    .forwarded = on_forwarded,
    .lost = on_lost,
};

/* Where the server is asked to listen. Who is expected from the server's own loopback reaches it
 * there; others are who knows where, and which of its addresses they reach is not known here, so
 * that it has to be all of them ("": RFC 4254 section 7.1). */
static const char *bind_address(const struct client *c)
{
    return ip_is_loopback(&c->request->target.ip) ? "localhost" : "";
}

void client_bind(struct client *c, struct session *session)
{
    if (c->request->eof) { /* (as when it comes later: nobody would take the connection) */
        client_end_after_reply(c, "closed while waiting");
        return;
    }
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
    c->bind = session_listen(session, bind_address(c), 0, &bind_events, c);
}

void client_unbind(struct client *c)
{
    if (c->bind == NULL)
        return;
    session_listen_free(c->bind);
    c->bind = NULL;
    c->worker->binds--;
}

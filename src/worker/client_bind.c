/* BIND (RFC 1928 sections 4 and 6; SOCKS4): the server listens on a port for the client, and the
 * first connection that comes there, if it is the expected one, is the client's. */
#include "worker/client_parts.h"

#include "base/hostport.h"
#include "base/mem.h"

/* How many of a worker's clients may have a port of the server's at a time. */
#define BINDS_MAX 32

/* How long a client may wait for the connection. */
#define BIND_WAIT_MS ((uint64_t)3 * 60 * 1000)

static char *place_text(const struct ip *ip, uint16_t port)
{
    char address[IP_TEXT_MAX];
    char text[HOSTPORT_TEXT_MAX];

    return mem_strdup(hostport_format(ip_format(ip, address), port, text));
}

static void bind_answer_expired(struct deadline *deadline)
{
    client_event(container_of(deadline, struct client, deadline), CLIENT_TIMED_OUT, NULL);
}

static void bind_wait_expired(struct deadline *deadline)
{
    client_event(container_of(deadline, struct client, deadline), CLIENT_TIMED_OUT,
                 "nobody connected");
}

static void on_bind_answered(void *arg, const struct listen_answer *answer)
{
    struct client *c = arg;

    c->request->bound_port = answer->port;
    if (!answer->listens)
        client_refuse(c, OUTCOME_PROHIBITED, "the server does not listen for us");
    else
        client_event(c, CLIENT_LISTENING, NULL);
}

enum client_event client_tell_bound(struct client *c)
{
    const struct client_request *r = c->request;

    c->outcome = OUTCOME_OK; /* (also of a client that does not wait for the connection) */
    c->bind.bound = place_text(&r->bound_ip, r->bound_port);
    client_say_bound(c);
    deadline_arm(c->worker->loop, &c->deadline, BIND_WAIT_MS, bind_wait_expired);
    return CLIENT_NOTHING;
}

/* The address that the client expects is the only one accepted (RFC 1928 section 4: DST). Where the
 * client expects any, the rules judge who comes as if the client had named that address. */
static bool is_expected(const struct client *c, const struct ip *peer)
{
    const struct wire_target *target = &c->request->target;
    char text[IP_TEXT_MAX];

    if (!ip_is_unspecified(&target->ip))
        return ip_equal(&target->ip, peer);
    return client_ask_rules(c, ip_format(peer, text), peer).allow;
}

static void on_bind_forwarded(void *arg, struct forwarded_open *forwarded, const char *origin,
                              uint16_t origin_port)
{
    struct client *c = arg;
    struct client_request *r = c->request;
    struct ip peer;

    if (!ip_parse(origin, &peer) || !is_expected(c, &peer)) {
        forwarded_open_refuse(forwarded);
        return;
    }
    r->opened = forwarded_open_accept(forwarded);
    client_unbind(c); /* one connection only */
    r->bound = true;
    r->bound_ip = peer;
    r->bound_port = origin_port;
    c->bind.peer = place_text(&peer, origin_port);
    client_event(c, CLIENT_OPENED, NULL);
}

static void on_bind_lost(void *arg)
{
    struct client *c = arg;

    c->bind.listen = NULL;
    c->worker->binds--;
    client_refuse(c, OUTCOME_NO_SESSION, "session lost");
}

static const struct session_listen_events bind_events = {
    .answered = on_bind_answered,
    .forwarded = on_bind_forwarded,
    .lost = on_bind_lost,
};

/* Where the server is asked to listen. A peer at the server's own loopback reaches it there. It is
 * not known which of the server's addresses another peer reaches, so that the server has to listen
 * on all of them ("": RFC 4254 section 7.1). */
static const char *bind_address(const struct client *c)
{
    return ip_is_loopback(&c->request->target.ip) ? "localhost" : "";
}

enum client_event client_bind(struct client *c)
{
    struct client_request *r = c->request;

    if (r->reading.eof) { /* as when the end of data comes later */
        c->words = "closed while waiting";
        return CLIENT_EOF;
    }
    if (c->worker->binds >= BINDS_MAX)
        return client_refused(c, OUTCOME_SHORTAGE, "too many wait for somebody already");
    /* (The server does not say by which of its addresses it is reached. The one by which this
     * machine reaches it is the best guess.) */
    if (!session_peer(r->chosen, &r->bound_ip))
        ip_parse("0.0.0.0", &r->bound_ip);
    deadline_arm(c->worker->loop, &c->deadline, c->session.upstream->open_timeout_ms,
                 bind_answer_expired);
    c->worker->binds++;
    c->bind.listen =
        session_listen(r->chosen, &(struct listen_place){.bind = bind_address(c)}, &bind_events, c);
    return CLIENT_NOTHING;
}

void client_unbind(struct client *c)
{
    if (c->bind.listen == NULL)
        return;
    session_listen_free(c->bind.listen);
    c->bind.listen = NULL;
    c->worker->binds--;
}

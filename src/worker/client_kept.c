/* Connections to origins that an HTTP client has used and that its next requests may use again.
 * They are the client's alone: an origin may have taken a login for the whole connection, and a
 * client that asks again over its own connection expects what this may bring (RFC 9112
 * section 9.3.1): that the origin closes at the same moment. */
#include "worker/client_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* So many a client has, and so long each waits. */
#define KEPT_MAX 4
#define KEPT_MS 30000

struct kept_channel {
    LIST_ENTRY(kept_channel) link; /* the one that was used last is the first */
    struct client *client;
    struct endpoint *origin;
    struct deadline idle;
    struct later dropping;
    bool spoilt;    /* it is to be dropped, and serves no request */
    bool ahead;     /* the client's next requests are under way on it: it is not read meanwhile */
    bool pipelines; /* see http_exchange.h */
    char *user;     /* who asked; NULL: without a login */
    char host[HOST_MAX + 1];
    uint16_t port;
    bool by_address; /* the rules allowed the address, not the name: */
    struct ip address;
    const struct config_upstream *upstream;
    struct session_table *table;
    int slot; /* reserved there */
};

/* Everything but the connection, which is closed or somebody else's. */
static void forget(struct kept_channel *kept)
{
    LIST_REMOVE(kept, link);
    deadline_cancel(&kept->idle);
    later_cancel(kept->client->worker->loop, &kept->dropping);
    free(kept->user);
    free(kept);
}

static void drop(struct kept_channel *kept)
{
    if (kept->ahead)
        client_forget_ahead(kept->client);
    endpoint_close(kept->origin, true);
    session_table_release(kept->table, kept->slot);
    forget(kept);
}

static void drop_now(struct later *dropping)
{
    drop(container_of(dropping, struct kept_channel, dropping));
}

static void kept_expired(struct deadline *deadline)
{
    drop(container_of(deadline, struct kept_channel, idle));
}

/* An origin that says something unasked cannot be believed in what it says next. */
static bool on_kept_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct kept_channel *kept = owner;

    (void)bytes;
    (void)length;
    kept->spoilt = true;
    later_cancel(kept->client->worker->loop, &kept->dropping);
    later_post(kept->client->worker->loop, &kept->dropping, drop_now);
    return true;
}

static size_t on_kept_room(void *owner)
{
    (void)owner;
    return LOOP_SCRATCH_SIZE;
}

static void on_kept_end(void *owner)
{
    drop(owner);
}

static void on_kept_writable(void *owner)
{
    (void)owner;
}

static void on_kept_failed(void *owner, const char *why)
{
    (void)why;
    drop(owner);
}

static const struct endpoint_events kept_events = {
    .room = on_kept_room,
    .data = on_kept_data,
    .eof = on_kept_end,
    .closed = on_kept_end,
    .writable = on_kept_writable,
    .failed = on_kept_failed,
};

static bool same_user(const char *a, const char *b)
{
    return a != NULL && b != NULL ? strcmp(a, b) == 0 : a == b;
}

static void drop_oldest(struct client *c)
{
    struct kept_channel *kept, *last = NULL;
    unsigned count = 0;

    LIST_FOREACH (kept, &c->kept, link) {
        last = kept;
        count++;
    }
    if (count >= KEPT_MAX)
        drop(last);
}

bool client_can_keep(const struct client *c)
{
    return c->session.slot >= 0 && c->listen != NULL && !c->origin.via_remote_forward;
}

/* Whether the request could go by that connection, as far as its target and login go. (Behind a
 * proxy that serves several people each request may have a login of its own.) */
static bool fits(const struct client *c, const struct kept_channel *kept)
{
    const struct wire_target *target = &c->request->target;

    return kept->port == target->port && strcmp(kept->host, target->host) == 0 &&
           same_user(kept->user, c->wish.user);
}

/* One connection to an origin is enough, as a client asks for one thing at a time. */
static void drop_others(struct client *c)
{
    struct kept_channel *kept, *next;

    for (kept = LIST_FIRST(&c->kept); kept != NULL; kept = next) {
        next = LIST_NEXT(kept, link);
        if (fits(c, kept))
            drop(kept);
    }
}

void client_keep(struct client *c, struct endpoint *origin)
{
    const struct client_request *r = c->request;
    struct kept_channel *kept;

    if (!client_can_keep(c)) {
        endpoint_close(origin, false);
        return;
    }
    drop_others(c);
    drop_oldest(c);
    kept = mem_zalloc(sizeof(*kept));
    kept->client = c;
    kept->origin = origin;
    kept->user = c->wish.user != NULL ? mem_strdup(c->wish.user) : NULL;
    memcpy(kept->host, r->target.host, sizeof(kept->host));
    kept->port = r->target.port;
    kept->by_address = r->way.by_address;
    kept->address = r->way.address;
    kept->upstream = c->session.upstream;
    kept->table = c->session.table;
    kept->slot = c->session.slot;
    c->session.slot = -1;
    LIST_INSERT_HEAD(&c->kept, kept, link);
    kept->ahead = client_ahead_count(c) > 0;
    kept->pipelines = r->http.pipelines;
    endpoint_own(origin, &kept_events, kept);
    if (!kept->ahead)
        endpoint_resume(origin);
    deadline_arm(c->worker->loop, &kept->idle, KEPT_MS, kept_expired);
}

static struct kept_channel *find(const struct client *c)
{
    struct kept_channel *kept;

    LIST_FOREACH (kept, &c->kept, link)
        if (!kept->spoilt && fits(c, kept))
            return kept;
    return NULL;
}

/* What the rules say to the request as it would go by that connection. */
static bool leads_there(struct client *c, const struct kept_channel *kept)
{
    const struct client_request *r = c->request;
    const struct ip *address = r->target.is_ip    ? &r->target.ip
                               : kept->by_address ? &kept->address
                                                  : NULL;

    return client_judge(c, address) && c->session.upstream == kept->upstream;
}

/* Requests are under way on a connection that the first of them does not lead to any more. */
static void drop_with_ahead(struct client *c)
{
    struct kept_channel *kept = LIST_FIRST(&c->kept); /* it was used last */

    if (kept != NULL && kept->ahead)
        drop(kept);
}

bool client_take_kept(struct client *c)
{
    struct client_request *r = c->request;
    bool sent = !r->http.retried && client_ahead_turn(c);
    struct kept_channel *kept = find(c);

    if (kept == NULL || c->wish.command != WIRE_FORWARD || r->http.retried ||
        atomic_load(&kept->table->slots[kept->slot].overdue) || !leads_there(c, kept) ||
        kept->ahead != sent) {
        drop_with_ahead(c);
        return false;
    }
    r->opened = kept->origin;
    r->http.kept = true;
    r->http.sent = sent;
    r->http.pipelines = kept->pipelines;
    r->way.by_address = kept->by_address;
    r->way.address = kept->address;
    c->session.table = kept->table;
    c->session.slot = kept->slot;
    forget(kept);
    return true;
}

void client_drop_kept(struct client *c)
{
    while (!LIST_EMPTY(&c->kept))
        drop(LIST_FIRST(&c->kept));
}

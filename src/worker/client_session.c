/* A client's session: choosing one of the upstream's, waiting until one is up, moving to the worker
 * that drives it. */
#include "worker/client_parts.h"

#include "io/socket.h"
#include "shared/main_messages.h"
#include "worker/client_shell.h"

#include <unistd.h>

/* How often an internal connection looks whether the person has answered. */
#define PERSON_ASKED_MS 1000

void client_release_slot(struct client *c)
{
    if (c->session.slot >= 0 && client_is_shell(c))
        session_table_release_shell(c->session.table, c->session.slot);
    if (c->session.slot >= 0)
        session_table_release(c->session.table, c->session.slot);
    if (c->session.slot >= 0 && client_is_shell(c) && atomic_load(&c->session.table->waiting) > 0)
        workers_send_session_up(c->worker->workers, c->session.table);
    c->session.slot = -1;
}

/* Choosing. */

/* Whether clients like this one may come with any name, and the server looks it up. */
static bool may_bring_names(const struct client *c)
{
    const struct config *config = c->generation->config;

    if (c->listen == NULL || config_listen_leads(c->listen))
        return false;
    if (config->acl != NULL && config->acl_names_resolve)
        return false;
    for (size_t i = 0; i < config->resolve.order_count; i++)
        if (config->resolve.order[i] == RESOLVE_REMOTE)
            return true;
    return false;
}

bool client_open_may_block(const struct client *c)
{
    struct session_table *table = c->session.table;

    if (!may_bring_names(c))
        return false;
    session_table_expect_names(table);
    return client_opens_name(c) &&
           !fast_names_has(table->fast_names, c->request->way.opening, loop_now(c->worker->loop));
}

static uint64_t hold_of(const struct client *c)
{
    uint64_t own = c->request->hold.limit_ms;

    return own > 0 ? own : c->session.upstream->hold_ms;
}

/* Reserves a channel on a session. False: none is up. */
static bool reserve(struct client *c)
{
    struct client_session *s = &c->session;
    bool may_block = client_open_may_block(c);
    bool grow = false;

    /* A reload may have put another pool in the place of its upstream's. */
    s->table = session_table_current(s->table);
    if (client_is_shell(c))
        s->slot = session_table_reserve_shell(s->table, (int)c->worker->index,
                                              loop_now(c->worker->loop), &grow);
    else
        s->slot = session_table_reserve(s->table, (int)c->worker->index, may_block, &grow);
    /* (While the server resolves a name, the session's other opens need another session.) */
    if (grow || (may_block && session_table_wants_other(s->table, s->slot)))
        main_send_grow(c->worker->workers, s->table);
    return s->slot >= 0;
}

/* No session is up: the client waits for one, unless it has waited long enough or would wait in
 * vain. The words are adit's own, so that nothing of the server's reaches a client. */
static enum client_event without_session(struct client *c)
{
    int failing = atomic_load(&c->session.table->failing);

    if (failing == DIAL_AUTHENTICATION)
        return client_refused(c, OUTCOME_NO_SESSION,
                              "the SSH server refuses this proxy's login, which only the proxy's "
                              "operator can mend");
    if (failing == DIAL_HOST_KEY)
        return client_refused(c, OUTCOME_NO_SESSION,
                              "this proxy does not accept the SSH server's host key, which only "
                              "the proxy's operator can mend");
    return c->request->hold.waited_ms < hold_of(c) ? CLIENT_NO_SESSION
                                                   : client_refused(c, OUTCOME_NO_SESSION, NULL);
}

/* A reservation that a move brought along is used if its session is still there. A session that has
 * ended since it was chosen is not up any more for the next choice. */
enum client_event client_choose(struct client *c)
{
    client_stop_waiting(c);
    for (;;) {
        if (c->session.slot < 0 && !reserve(c))
            return without_session(c);
        if (atomic_load(&c->session.table->slots[c->session.slot].worker) != (int)c->worker->index)
            return CLIENT_ELSEWHERE;
        c->request->chosen = worker_session_at(c->worker, c->session.table, c->session.slot);
        if (c->request->chosen != NULL && c->wish.command == WIRE_BIND)
            return CLIENT_LISTEN;
        if (c->request->chosen != NULL)
            return client_may_open(c) ? CLIENT_SESSION : client_refuse_limited(c);
        client_release_slot(c);
    }
}

/* Waiting. */

static void hold_expired(struct deadline *deadline)
{
    struct client *c = container_of(deadline, struct client, deadline);

    /* While a person is asked an internal connection waits on. (Clients from outside are not kept
     * waiting for a person.) */
    if (c->request->hold.limit_ms > 0 && atomic_load(&c->session.table->asking))
        deadline_arm(c->worker->loop, &c->deadline, PERSON_ASKED_MS, hold_expired);
    else
        client_event(c, CLIENT_TIMED_OUT, NULL);
}

enum client_event client_wait(struct client *c)
{
    struct client_hold *hold = &c->request->hold;
    uint64_t left = hold_of(c) - hold->waited_ms;

    if (hold->began == 0)
        atomic_fetch_add(&c->session.table->waited, 1);
    hold->began = loop_now(c->worker->loop);
    c->session.waiting = true;
    TAILQ_INSERT_TAIL(&c->worker->waiting, c, waiting_link);
    atomic_fetch_add(&c->session.table->waiting, 1);
    /* (In tenths of a second: deadlines are cheap for few different durations.) */
    deadline_arm(c->worker->loop, &c->deadline, (left + 99) / 100 * 100, hold_expired);
    return CLIENT_NOTHING;
}

void client_stop_waiting(struct client *c)
{
    uint64_t waited_ms;

    if (!c->session.waiting)
        return;
    c->session.waiting = false;
    waited_ms = loop_now(c->worker->loop) - c->request->hold.began;
    c->request->hold.waited_ms += waited_ms;
    label_counts_time(c->worker->label_counts, c->session.table->label, UPSTREAM_TIME_HOLD,
                      waited_ms);
    TAILQ_REMOVE(&c->worker->waiting, c, waiting_link);
    atomic_fetch_sub(&c->session.table->waiting, 1);
}

/* Moving. */

/* The gateway ends while the client is between two workers. */
static void drop_moving(struct message *message)
{
    struct client *c = container_of(message, struct client, session.moving_message);

    client_event(c, CLIENT_ABORTED, NULL);
}

static void run_moving(struct message *message, void *owner)
{
    struct client *c = container_of(message, struct client, session.moving_message);
    struct worker *worker = owner;
    const struct internal_stream *stream = c->internal != NULL ? c->internal->stream : NULL;
    bool is_cut = stream != NULL && atomic_load(&stream->cut);

    if (worker->stopping) {
        drop_moving(message);
        return;
    }
    c->session.moving = false;
    TAILQ_INSERT_TAIL(&worker->clients, c, link);
    c->endpoint = socket_endpoint_new(worker->loop, c->session.moving_fd);
    if (c->endpoint == NULL) {
        close(c->session.moving_fd);
        client_event(c, CLIENT_FAILED, "no descriptors");
        return;
    }
    metric_add(&worker->metrics.moves, 1);
    client_listen(c);
    endpoint_send(c->endpoint, buffer_data(&c->session.moving_unsent),
                  buffer_length(&c->session.moving_unsent));
    buffer_clear(&c->session.moving_unsent);
    client_event(c, CLIENT_MOVED, NULL);
    if (is_cut) /* (what was told of it may have come before the client did) */
        clients_stream_news(worker);
}

/* The message carries the client itself, which is the other worker's as soon as it is sent. */
enum client_event client_move(struct client *c)
{
    int owner = atomic_load(&c->session.table->slots[c->session.slot].worker);
    struct worker *to = c->worker->workers->all[owner];

    client_drop_kept(c); /* (they are this worker's) */
    c->session.moving = true;
    TAILQ_REMOVE(&c->worker->clients, c, link);
    c->session.moving_fd = socket_endpoint_release(c->endpoint, &c->session.moving_unsent);
    c->endpoint = NULL;
    c->worker = to;
    c->session.moving_message = (struct message){.run = run_moving, .drop = drop_moving};
    mailbox_post(to->mailbox, &c->session.moving_message);
    return CLIENT_NOTHING;
}

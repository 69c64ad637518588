/* A worker's thread: what it holds, and the messages it understands. */
#include "worker/worker.h"

#include "base/mem.h"
#include "worker/client.h"
#include "worker/resolvers.h"
#include "gateway/pool.h"
#include "worker/remote_forwards.h"
#include "io/socket.h"
#include "policy/balance.h"

#include <stdlib.h>
#include <unistd.h>

/* How often sessions' figures are published. */
#define TICK_MS 250

/* An open that waits while the server says nothing for so long: no new channels for that session.
 */
#define OVERDUE_MS 500

/* A session that carries this much between two ticks is active then; one that was it so often is
 * streaming (one with bulk at once), and one that has been it for long is so a little longer. */
#define ACTIVE_BYTES 4096
#define STREAMING_TICKS 2
#define ACTIVE_TICKS_MAX 8

/* Passwords that were right need not be hashed again for so long. */
#define CREDENTIALS_MAX 1024
#define CREDENTIALS_MS (5 * 60 * 1000)

/* Sessions. */

static void session_gone(struct worker_session *ws, const char *why)
{
    struct worker *worker = ws->worker;

    ws->table->slots[ws->slot].session = NULL;
    session_table_set_slot(ws->table, ws->slot, SLOT_RETIRING);
    LIST_REMOVE(ws, link);
    remote_end_all(ws);
    session_free(ws->session);
    pool_tell_lost(worker->workers->main_mailbox, ws->table, ws->slot, why);
    session_table_unref(ws->table);
    free(ws);
}

/* Nobody shall choose it any more, while its channels hear of its end and look for another. */
static void session_dying(void *arg)
{
    struct worker_session *ws = arg;

    session_table_set_slot(ws->table, ws->slot, SLOT_RETIRING);
}

static void session_lost(void *arg, const char *why)
{
    struct worker_session *ws = arg;

    metric_add(&ws->worker->metrics.sessions_lost, 1);
    session_gone(ws, why);
}

struct session *worker_session_at(struct worker *worker, struct session_table *table, int slot)
{
    struct session_slot *s = &table->slots[slot];

    if (session_table_slot_state(table, slot) != SLOT_UP ||
        atomic_load(&s->worker) != (int)worker->index)
        return NULL;
    return s->session;
}

/* Whether somebody would notice if it stood still. While the server is silent it does, and nothing
 * is learnt from that. */
static bool is_streaming(struct worker_session *ws, uint64_t moved, bool overdue)
{
    if (overdue)
        ;
    else if (moved < ACTIVE_BYTES)
        ws->active_ticks -= ws->active_ticks > 0;
    else
        ws->active_ticks += ws->active_ticks < ACTIVE_TICKS_MAX;
    return ws->active_ticks >= STREAMING_TICKS || ws->rate >= BALANCE_BULK_RATE;
}

static void publish(struct worker_session *ws)
{
    struct session_slot *slot = &ws->table->slots[ws->slot];
    struct session_state state;
    uint64_t moved;
    bool overdue, streaming;

    session_tick(ws->session);
    session_state(ws->session, &state);
    moved = state.carried - ws->carried;
    ws->rate = (3 * ws->rate + moved * (1000 / TICK_MS) / 1024) / 4;
    overdue = state.silent_ms >= OVERDUE_MS;
    streaming = is_streaming(ws, moved, overdue);
    ws->carried = state.carried;
    atomic_store_explicit(&slot->rate, (unsigned)ws->rate, memory_order_relaxed);
    atomic_store_explicit(&slot->overdue, overdue, memory_order_relaxed);
    atomic_store_explicit(&slot->streaming, streaming, memory_order_relaxed);
    atomic_store_explicit(&slot->abandoned, state.abandoned, memory_order_relaxed);
    atomic_store_explicit(&slot->bytes_in, state.bytes_in, memory_order_relaxed);
    atomic_store_explicit(&slot->bytes_out, state.bytes_out, memory_order_relaxed);
    if (session_table_slot_state(ws->table, ws->slot) == SLOT_RETIRING && state.channels == 0)
        session_gone(ws, NULL);
    else if ((overdue || streaming) && session_table_wants_quiet(ws->table, -1))
        /* In advance: who comes by a name that is slow shall not have to go where it hurts. */
        pool_ask_grow(ws->worker->workers->main_mailbox, ws->table);
}

static void tick(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, tick);
    struct worker_session *ws = LIST_FIRST(&worker->sessions);

    while (ws != NULL) {
        struct worker_session *next = LIST_NEXT(ws, link);
        publish(ws);
        ws = next;
    }
    names_count(worker->names);
    if (!LIST_EMPTY(&worker->sessions))
        deadline_arm(worker->loop, &worker->tick, TICK_MS, tick);
}

struct session_message {
    struct message message;
    struct session_table *table;
    int slot;
    struct logged_in *logged_in;
    uint64_t keepalive_ms;
    unsigned keepalive_max;
};

static void session_message_free(struct session_message *m)
{
    logged_in_free(m->logged_in);
    session_table_unref(m->table);
    free(m);
}

static void drop_session_message(struct message *message)
{
    session_message_free(container_of(message, struct session_message, message));
}

static void take_session(struct message *message, void *owner)
{
    struct session_message *m = container_of(message, struct session_message, message);
    struct worker *worker = owner;
    struct worker_session *ws;
    struct session_options options = {
        .keepalive_ms = m->keepalive_ms,
        .keepalive_max = m->keepalive_max,
        .dying = session_dying,
        .lost = session_lost,
    };

    if (worker->stopping) {
        drop_session_message(message);
        return;
    }
    ws = mem_zalloc(sizeof(*ws));
    options.arg = ws;
    ws->session = session_new(worker->loop, m->logged_in, &options);
    if (ws->session == NULL) {
        free(ws);
        pool_tell_lost(worker->workers->main_mailbox, m->table, m->slot, "no descriptors");
        session_message_free(m);
        return;
    }
    m->logged_in = NULL;
    ws->worker = worker;
    LIST_INIT(&ws->remotes);
    ws->table = session_table_ref(m->table);
    ws->slot = m->slot;
    if (LIST_EMPTY(&worker->sessions))
        deadline_arm(worker->loop, &worker->tick, TICK_MS, tick);
    LIST_INSERT_HEAD(&worker->sessions, ws, link);
    ws->table->slots[ws->slot].session = ws->session;
    /* What an earlier session of this slot was like. */
    atomic_store(&ws->table->slots[ws->slot].overdue, false);
    atomic_store(&ws->table->slots[ws->slot].streaming, false);
    atomic_store(&ws->table->slots[ws->slot].abandoned, 0);
    atomic_store(&ws->table->slots[ws->slot].rate, 0);
    session_table_set_slot(ws->table, ws->slot, SLOT_UP);
    metric_add(&worker->metrics.sessions_up, 1);
    pool_tell_up(worker->workers->main_mailbox, m->table, m->slot);
    workers_send_session_up(worker->workers, m->table);
    session_message_free(m);
}

void worker_send_session(struct worker *worker, struct session_table *table, int slot,
                         struct logged_in *logged_in, const struct config_upstream *upstream)
{
    struct session_message *m = mem_zalloc(sizeof(*m));

    *m = (struct session_message){
        .message = {.run = take_session, .drop = drop_session_message},
        .table = session_table_ref(table),
        .slot = slot,
        .logged_in = logged_in,
        .keepalive_ms = upstream->keepalive_ms,
        .keepalive_max = upstream->keepalive_max,
    };
    mailbox_post(worker->mailbox, &m->message);
}

/* Clients. */

void workers_client_gone(struct workers *workers)
{
    atomic_fetch_sub(&workers->clients, 1);
    if (atomic_load(&workers->draining))
        workers->client_gone(workers);
}

struct client_message {
    struct message message;
    struct workers *workers;
    struct generation *generation;
    const struct config_listen *listen;
    int fd;
    bool from_ip;
    struct ip peer;
    uint16_t peer_port;
};

static void drop_client(struct message *message)
{
    struct client_message *m = container_of(message, struct client_message, message);

    close(m->fd);
    workers_client_gone(m->workers);
    generation_unref(m->generation);
    free(m);
}

static void take_client(struct message *message, void *owner)
{
    struct client_message *m = container_of(message, struct client_message, message);
    struct worker *worker = owner;

    if (worker->stopping) {
        drop_client(message);
        return;
    }
    client_new(worker, m->generation, m->listen, m->fd, m->from_ip ? &m->peer : NULL, m->peer_port);
    generation_unref(m->generation);
    free(m);
}

void worker_send_client(struct worker *worker, struct generation *generation,
                        const struct config_listen *listen, int fd, const struct ip *peer,
                        uint16_t peer_port)
{
    struct client_message *m = mem_zalloc(sizeof(*m));

    *m = (struct client_message){
        .message = {.run = take_client, .drop = drop_client},
        .workers = worker->workers,
        .generation = generation_ref(generation),
        .listen = listen,
        .fd = fd,
        .from_ip = peer != NULL,
        .peer_port = peer_port,
    };
    if (peer != NULL)
        m->peer = *peer;
    atomic_fetch_add(&worker->workers->clients, 1);
    mailbox_post(worker->mailbox, &m->message);
}

void worker_accept(struct worker *worker, struct generation *generation,
                   const struct config_listen *listen, int fd, const struct ip *peer,
                   uint16_t peer_port)
{
    atomic_fetch_add(&worker->workers->clients, 1);
    client_new(worker, generation, listen, fd, peer, peer_port);
}

/* Notes: messages that carry at most a session table. */

struct note {
    struct message message;
    struct session_table *table; /* NULL for most */
    void (*act)(struct worker *worker, struct session_table *table);
};

static void drop_note(struct message *message)
{
    struct note *note = container_of(message, struct note, message);

    session_table_unref(note->table);
    free(note);
}

static void take_note(struct message *message, void *owner)
{
    struct note *note = container_of(message, struct note, message);

    note->act(owner, note->table);
    drop_note(message);
}

static void send_note(struct worker *worker, struct session_table *table,
                      void (*act)(struct worker *worker, struct session_table *table))
{
    struct note *note = mem_zalloc(sizeof(*note));

    note->message = (struct message){.run = take_note, .drop = drop_note};
    note->table = table != NULL ? session_table_ref(table) : NULL;
    note->act = act;
    mailbox_post(worker->mailbox, &note->message);
}

static void send_all(struct workers *workers, struct session_table *table,
                     void (*act)(struct worker *worker, struct session_table *table))
{
    for (unsigned i = 0; i < workers->count; i++)
        send_note(workers->all[i], table, act);
}

/* Lets those that wait for the session table try again, in the order they came. One that has to go
 * on waiting goes to the end of the list, behind those that were there when this began. */
static void act_session_up(struct worker *worker, struct session_table *table)
{
    struct client *last = TAILQ_LAST(&worker->waiting, client_list);
    struct client *client = TAILQ_FIRST(&worker->waiting);
    bool more = client != NULL;

    while (more) {
        struct client *next = client_next_waiting(client);
        more = client != last;
        if (client_table(client) == table)
            client_retry(client);
        client = next;
    }
}

void workers_send_session_up(struct workers *workers, struct session_table *table)
{
    send_all(workers, table, act_session_up);
}

static void act_probe(struct worker *worker, struct session_table *table)
{
    struct worker_session *ws;

    (void)table;
    LIST_FOREACH (ws, &worker->sessions, link)
        session_probe(ws->session);
}

void workers_send_probe(struct workers *workers)
{
    send_all(workers, NULL, act_probe);
}

static void act_flush(struct worker *worker, struct session_table *table)
{
    (void)table;
    names_flush(worker->names);
}

void workers_send_flush(struct workers *workers)
{
    send_all(workers, NULL, act_flush);
}

static void act_beat(struct worker *worker, struct session_table *table)
{
    (void)table;
    heartbeat_answer(&worker->heartbeat);
}

void worker_send_beat(struct worker *worker)
{
    send_note(worker, NULL, act_beat);
}

static void act_stop(struct worker *worker, struct session_table *table)
{
    struct client *client;

    (void)table;
    worker->stopping = true; /* what is on its way here is dropped */
    while ((client = TAILQ_FIRST(&worker->clients)) != NULL)
        client_abort(client, "adit ends");
    /* With the resolvers go their own connections, which are clients too. */
    names_free(worker->names);
    worker->names = NULL;
    while ((client = TAILQ_FIRST(&worker->clients)) != NULL)
        client_abort(client, "adit ends");
    deadline_cancel(&worker->tick);
    while (!LIST_EMPTY(&worker->sessions)) {
        struct worker_session *ws = LIST_FIRST(&worker->sessions);
        session_gone(ws, NULL);
    }
    socket_linger_abort(worker->loop);
    loop_stop(worker->loop);
}

void worker_send_stop(struct worker *worker)
{
    send_note(worker, NULL, act_stop);
}

/* The thread. */

struct worker *worker_new(struct workers *workers, unsigned index)
{
    struct loop *loop = loop_new();
    struct worker *worker;

    if (loop == NULL)
        return NULL;
    worker = mem_zalloc(sizeof(*worker));
    worker->index = index;
    worker->workers = workers;
    worker->loop = loop;
    worker->mailbox = mailbox_new(loop, worker);
    TAILQ_INIT(&worker->clients);
    TAILQ_INIT(&worker->waiting);
    LIST_INIT(&worker->sessions);
    worker->names = names_new(worker);
    worker->credentials = credential_cache_new(CREDENTIALS_MAX, CREDENTIALS_MS);
    return worker;
}

static void worker_main(void *arg)
{
    struct worker *worker = arg;

    loop_run(worker->loop);
}

void worker_start(struct worker *worker)
{
    if (uv_thread_create(&worker->thread, worker_main, worker) != 0) {
        log_error("cannot create a thread");
        abort();
    }
}

bool worker_join(struct worker *worker, const struct timespec *until)
{
    return pthread_timedjoin_np(worker->thread, NULL, until) == 0;
}

void worker_free(struct worker *worker)
{
    mailbox_free(worker->mailbox);
    credential_cache_free(worker->credentials);
    names_free(worker->names);
    loop_free(worker->loop);
    free(worker);
}

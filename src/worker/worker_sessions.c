/* The sessions that a worker drives: taking them over from a dial, publishing how they do in their
 * session table, and telling the main thread when they come and go. */
#include "worker/worker_parts.h"

#include "base/mem.h"
#include "policy/balance.h"
#include "shared/main_messages.h"
#include "shared/session_reach.h"
#include "worker/client.h"
#include "worker/remote_forwards.h"
#include "worker/resolvers.h"

#include <limits.h>
#include <stdlib.h>

/* How often sessions' figures are published. */
#define TICK_MS 250

/* A session whose server has sent nothing for this long while an open waits is overdue: it gets no
 * new channels. */
#define OVERDUE_MS 500

/* In how many ticks it is once looked how much is held for clients that do not read. */
#define HELD_TICKS 4

/* A tick is active if the session's channels carried at least ACTIVE_BYTES since the tick before.
 * A session counts as streaming after STREAMING_TICKS active ticks, or at once at bulk rate. Each
 * active tick counts one up, to ACTIVE_TICKS_MAX, and each quiet one counts one down, so that a
 * session that streamed for long still counts as streaming through a short pause. */
#define ACTIVE_BYTES 4096
#define STREAMING_TICKS 2
#define ACTIVE_TICKS_MAX 8

/* Takes the session out of its slot, frees it, and tells the main thread; `why` NULL: it was meant
 * to end. */
static void worker_session_end(struct worker_session *ws, const char *why)
{
    struct worker *worker = ws->worker;

    ws->table->slots[ws->slot].session = NULL;
    session_table_set_slot(ws->table, ws->slot, SLOT_RETIRING);
    LIST_REMOVE(ws, link);
    remote_listens_end(ws);
    session_free(ws->session);
    main_send_session_lost(worker->workers, ws->table, ws->slot, why);
    session_table_unref(ws->table);
    free(ws);
}

/* The session must not be chosen any more while its channels are told of its end, since their
 * clients look for another session at that moment. */
static void on_session_dying(void *arg)
{
    struct worker_session *ws = arg;

    session_table_set_slot(ws->table, ws->slot, SLOT_RETIRING);
}

static void on_session_lost(void *arg, const char *why)
{
    struct worker_session *ws = arg;

    metric_add(&ws->worker->metrics.sessions_lost, 1);
    worker_session_end(ws, why);
}

struct session *worker_session_at(struct worker *worker, struct session_table *table, int slot)
{
    struct session_slot *s = &table->slots[slot];

    if (session_table_slot_state(table, slot) != SLOT_UP ||
        atomic_load(&s->worker) != (int)worker->index)
        return NULL;
    return s->session;
}

/* Whether a client would notice if the session stood still. A tick in which the server is silent
 * says nothing about that, and is not counted. */
static bool is_streaming(struct worker_session *ws, uint64_t moved, bool overdue)
{
    if (!overdue && moved < ACTIVE_BYTES)
        ws->active_ticks -= ws->active_ticks > 0;
    else if (!overdue)
        ws->active_ticks += ws->active_ticks < ACTIVE_TICKS_MAX;
    return ws->active_ticks >= STREAMING_TICKS || ws->rate >= BALANCE_BULK_RATE;
}

/* Whether it was to end once nobody uses it, and nobody does. A client of BIND has a reservation
 * and a listen of the session before it has a channel. */
static bool is_retired(const struct worker_session *ws, const struct session_state *state)
{
    return session_table_slot_state(ws->table, ws->slot) == SLOT_RETIRING && state->channels == 0 &&
           atomic_load(&ws->table->slots[ws->slot].channels) == 0;
}

static int round_trip_of(const struct session_state *state)
{
    if (!state->round_trip_known)
        return -1;
    return state->round_trip_ms < INT_MAX ? (int)state->round_trip_ms : INT_MAX;
}

/* Puts what the session does into its slot, for the other threads. Whether it is overdue. */
static bool publish(struct worker_session *ws)
{
    struct session_slot *slot = &ws->table->slots[ws->slot];
    struct session_state state;
    uint64_t moved;
    bool overdue, was_overdue, streaming;

    session_tick(ws->session);
    session_state(ws->session, &state);
    moved = state.carried - ws->carried;
    if (state.keepalive_answers != ws->answers)
        label_counts_time(ws->worker->label_counts, ws->table->label, UPSTREAM_TIME_KEEPALIVE,
                          state.keepalive_ms);
    ws->answers = state.keepalive_answers;
    ws->rate = (3 * ws->rate + moved * (1000 / TICK_MS) / 1024) / 4;
    overdue = state.silent_ms >= OVERDUE_MS;
    streaming = is_streaming(ws, moved, overdue);
    ws->carried = state.carried;
    atomic_store_explicit(&slot->rate, (unsigned)ws->rate, memory_order_relaxed);
    was_overdue = atomic_exchange_explicit(&slot->overdue, overdue, memory_order_relaxed);
    if (overdue && !was_overdue) {
        /* (What holds this server up may hold others up, to which its clients would go.) */
        workers_send_check(ws->worker->workers, ws->table);
        clients_session_overdue(ws->worker, ws->table, ws->slot);
    }
    atomic_store_explicit(&slot->streaming, streaming, memory_order_relaxed);
    atomic_store_explicit(&slot->abandoned, state.abandoned, memory_order_relaxed);
    atomic_store_explicit(&slot->round_trip_ms, round_trip_of(&state), memory_order_relaxed);
    atomic_store_explicit(&slot->bytes_in, state.bytes_in, memory_order_relaxed);
    atomic_store_explicit(&slot->bytes_out, state.bytes_out, memory_order_relaxed);
    if (is_retired(ws, &state))
        worker_session_end(ws, NULL);
    else if (atomic_load_explicit(&slot->cut, memory_order_relaxed))
        session_cut(ws->session, "drain_timeout is over");
    else if ((overdue || streaming) && session_table_wants_quiet(ws->table, -1))
        /* In advance, so that the next slow name need not go to a session with transfers. */
        main_send_grow(ws->worker->workers, ws->table);
    return overdue;
}

static void on_worker_tick(struct deadline *deadline)
{
    struct worker *worker = container_of(deadline, struct worker, tick);
    struct worker_session *ws = LIST_FIRST(&worker->sessions);
    bool overdue = false;

    while (ws != NULL) {
        struct worker_session *next = LIST_NEXT(ws, link);
        overdue |= publish(ws);
        ws = next;
    }
    if (overdue)
        clients_look_elsewhere(worker);
    resolvers_publish(worker->resolvers);
    /* (What is held for nobody any more is not to count until a session comes again.) */
    if (worker->ticks++ % HELD_TICKS == 0 || LIST_EMPTY(&worker->sessions))
        worker_check_held(worker);
    if (!LIST_EMPTY(&worker->sessions))
        deadline_arm(worker->loop, &worker->tick, TICK_MS, on_worker_tick);
}

/* Connections and sockets that a session asks for: the keeper makes them. */

static struct session_reach *reach_for_session(void *owner, session_reached_fn *reached, void *arg)
{
    const struct worker_session *ws = owner;

    return session_reach_master(ws->worker->service, ws->table->upstream, ws->master, reached, arg);
}

static struct session_reach *bind_for_forward(void *owner, const char *forward,
                                              session_bound_fn *bound, void *arg)
{
    const struct worker_session *ws = owner;

    return session_reach_bind(ws->worker->service, forward, bound, arg);
}

static struct session_reach *cause_for_session(void *owner, const struct refused_target *target,
                                               session_caused_fn *caused, void *arg)
{
    const struct worker_session *ws = owner;

    return session_reach_cause(ws->worker->service, ws->master, target, caused, arg);
}

static const struct session_way session_way = {.reach = reach_for_session,
                                               .bind = bind_for_forward,
                                               .cause = cause_for_session,
                                               .forget = session_reach_forget};

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

/* Those of the session that had the slot before. */
static void forget_figures(struct session_slot *slot)
{
    atomic_store(&slot->overdue, false);
    atomic_store(&slot->streaming, false);
    atomic_store(&slot->abandoned, 0);
    atomic_store(&slot->cut, false);
    atomic_store(&slot->rate, 0);
    atomic_store(&slot->round_trip_ms, -1);
    atomic_store(&slot->bytes_in, 0);
    atomic_store(&slot->bytes_out, 0);
}

/* The session is the worker's, and its slot is up. */
static void add_session(struct worker *worker, struct worker_session *ws)
{
    ws->worker = worker;
    LIST_INIT(&ws->listens);
    if (LIST_EMPTY(&worker->sessions))
        deadline_arm(worker->loop, &worker->tick, TICK_MS, on_worker_tick);
    LIST_INSERT_HEAD(&worker->sessions, ws, link);
    ws->table->slots[ws->slot].session = ws->session;
    forget_figures(&ws->table->slots[ws->slot]);
    session_table_set_slot(ws->table, ws->slot, SLOT_UP);
    metric_add(&worker->metrics.sessions_up, 1);
}

static void run_session(struct message *message, void *owner)
{
    struct session_message *m = container_of(message, struct session_message, message);
    struct worker *worker = owner;
    struct worker_session *ws;
    char *name = mem_printf("upstream %s: session %d", m->table->upstream, m->slot);
    struct session_options options = {
        .name = name,
        .keepalive_ms = m->keepalive_ms,
        .keepalive_max = m->keepalive_max,
        .dying = on_session_dying,
        .lost = on_session_lost,
        .way = &session_way,
    };

    if (worker->stopping) {
        free(name);
        drop_session_message(message);
        return;
    }
    ws = mem_zalloc(sizeof(*ws));
    ws->master = logged_in_info(m->logged_in)->master;
    options.arg = ws;
    ws->session = session_new(worker->loop, m->logged_in, &options);
    free(name);
    if (ws->session == NULL) {
        free(ws);
        main_send_session_lost(worker->workers, m->table, m->slot, "no descriptors");
        session_message_free(m);
        return;
    }
    m->logged_in = NULL;
    ws->table = session_table_ref(m->table);
    ws->slot = m->slot;
    add_session(worker, ws);
    main_send_session_up(worker->workers, m->table, m->slot);
    workers_send_session_up(worker->workers, m->table);
    session_message_free(m);
}

void worker_send_session(struct worker *worker, struct session_table *table, int slot,
                         struct logged_in *logged_in, const struct config_upstream *upstream)
{
    struct session_message *m = mem_zalloc(sizeof(*m));

    *m = (struct session_message){
        .message = {.run = run_session, .drop = drop_session_message},
        .table = session_table_ref(table),
        .slot = slot,
        .logged_in = logged_in,
        .keepalive_ms = upstream->keepalive_ms,
        .keepalive_max = upstream->keepalive_max,
    };
    mailbox_post(worker->mailbox, &m->message);
}

void worker_probe_sessions(struct worker *worker)
{
    struct worker_session *ws;

    LIST_FOREACH (ws, &worker->sessions, link)
        session_probe(ws->session);
}

void worker_check_sessions(struct worker *worker, const struct session_table *table)
{
    struct worker_session *ws;

    LIST_FOREACH (ws, &worker->sessions, link)
        if (ws->table == table)
            session_check(ws->session);
}

void worker_end_sessions(struct worker *worker)
{
    deadline_cancel(&worker->tick);
    while (!LIST_EMPTY(&worker->sessions))
        worker_session_end(LIST_FIRST(&worker->sessions), NULL);
}

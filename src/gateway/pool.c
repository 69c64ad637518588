/* How many sessions an upstream has, at which of its hosts, and on which workers. The dials
 * themselves are dial_attempt.c's. */
#include "gateway/pool_parts.h"

#include "base/mem.h"
#include "base/probe.h"
#include "gateway/events.h"
#include "gateway/forwards.h"
#include "gateway/history.h"
#include "gateway/post_quantum.h"

#include <stdlib.h>

/* How soon to look again while a dial to the same host is under way, perhaps of another pool. */
#define BUSY_HOST_MS 250

/* Sessions that may be opened beyond sessions_min only to keep one free of transfers for slow DNS
 * names. */
#define QUIET_SESSIONS 7

/* Clients that have ever begun to wait for one of its sessions. */
static unsigned waited(const struct pool *pool)
{
    return atomic_load(&pool->table->waited);
}

static bool clients_wait(const struct pool *pool)
{
    return atomic_load(&pool->table->waiting) > 0;
}

static unsigned clamp(const struct pool *pool, unsigned wanted)
{
    const struct config_upstream *u = pool->upstream;

    return wanted < u->sessions_min   ? u->sessions_min
           : wanted > u->sessions_max ? u->sessions_max
                                      : wanted;
}

/* The worker with the fewest sessions of this pool. Among equals the choice depends on the slot, so
 * that pools do not all begin with the same worker. */
static unsigned worker_for_slot(const struct pool *pool, int slot)
{
    unsigned workers = pool->room->workers->count;
    unsigned best = 0;
    unsigned fewest = UINT32_MAX;

    for (unsigned k = 0; k < workers; k++) {
        unsigned worker = ((unsigned)slot + k) % workers;
        unsigned sessions = 0;
        for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
            sessions += i != slot && session_table_slot_state(pool->table, i) != SLOT_EMPTY &&
                        pool->slots[i].attempt == NULL &&
                        (unsigned)atomic_load(&pool->table->slots[i].worker) == worker;
        if (sessions < fewest) {
            fewest = sessions;
            best = worker;
        }
    }
    return best;
}

/* The slot has no session any more: its programs, if it had any, are ended. */
static void slot_clear(struct pool_slot *s)
{
    free(s->info);
    s->info = NULL;
    dial_programs_hang_up(&s->programs);
}

/* (That its last session has ended was told, or that will be, unless it only retires.) */
void pool_tell_down(struct pool *pool, const char *why)
{
    if (pool_is_up(pool) || pool->known_down || pool->room->happened == NULL)
        return;
    pool->known_up = false;
    pool->known_down = true;
    pool->room->happened(pool->room, &(struct event){.kind = EVENT_UPSTREAM_DOWN,
                                                     .upstream = pool->upstream->name,
                                                     .reason = why});
}

void pool_slot_end(struct pool *pool, int slot)
{
    struct pool_slot *s = &pool->slots[slot];

    if (slot == pool->extra)
        pool_extra_end(pool);
    slot_clear(s);
    places_release(&pool->places, s->place, s->retiring);
    s->place = NULL;
    s->retiring = false;
    s->cut_at = 0;
}

void pool_retire(struct pool *pool, int slot)
{
    struct pool_slot *s = &pool->slots[slot];

    session_table_set_slot(pool->table, slot, SLOT_RETIRING);
    if (s->retiring)
        return;
    s->retiring = true;
    s->place->sessions--;
    s->place->retiring++;
}

static void pool_report_failure(struct pool *pool, const struct pool_slot *s,
                                enum dial_status status, const char *error)
{
    bool first;

    free(pool->error);
    pool->error = mem_strdup(error);
    if (pool->room->failed(pool->room, pool->upstream, s->place->label, error))
        return;
    pool_tell_down(pool, error);
    history_failure(pool->room->history, pool_now(pool), pool->upstream->name, error);
    first =
        trouble_dial_failed(pool->trouble, pool_now(pool), waited(pool), s->place->label, error);
    if (first && (status == DIAL_AUTHENTICATION || status == DIAL_HOST_KEY))
        log_warning("upstream %s: %s is dialled rarely until a person has mended that",
                    pool->upstream->name, s->place->label);
}

/* Tells clients at once that a session will not come before a person has mended the cause, rather
 * than holding them: `status` if that is so at each host. DIAL_OK: dials go on. */
static void set_failing(struct pool *pool, enum dial_status status)
{
    if (!places_need_person(&pool->places))
        status = DIAL_OK;
    if (atomic_exchange(&pool->table->failing, (int)status) == (int)status || status == DIAL_OK)
        return;
    workers_send_session_up(pool->room->workers, pool->table); /* those that wait choose again */
}

static void on_dialled(void *arg, int slot, enum dial_status status, struct logged_in *logged_in,
                       const char *error)
{
    struct pool *pool = arg;
    struct pool_slot *s = &pool->slots[slot];
    unsigned worker;

    s->attempt = NULL;
    if (logged_in == NULL) {
        if (slot == pool->extra)
            log_debug("upstream %s: %s: %s", pool->upstream->name, s->place->label, error);
        else
            pool_report_failure(pool, s, status, error);
        pool_slot_end(pool, slot);
        session_table_set_slot(pool->table, slot, SLOT_EMPTY);
        set_failing(pool, status);
        pool_hosts_failed(pool);
    } else {
        atomic_store(&pool->table->failing, DIAL_OK);
        atomic_store(&pool->table->asks_anew, logged_in_info(logged_in)->asks_anew);
        free(pool->error);
        pool->error = NULL;
        worker = worker_for_slot(pool, slot);
        s->since = pool_now(pool);
        s->idle_since = 0;
        s->info = mem_zalloc(sizeof(*s->info));
        *s->info = *logged_in_info(logged_in);
        atomic_store(&pool->table->slots[slot].worker, (int)worker);
        worker_send_session(pool->room->workers->all[worker], pool->table, slot, logged_in,
                            pool->upstream);
    }
    pool_fill(pool);
}

static void on_retry(struct deadline *deadline)
{
    pool_fill(container_of(deadline, struct pool, retry));
}

int pool_empty_slot(const struct pool *pool)
{
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        if (session_table_slot_state(pool->table, i) == SLOT_EMPTY)
            return i;
    return -1;
}

/* How many sessions the pool is to have now. Where a person is asked at each login, load is no
 * reason for another session. */
unsigned pool_target_size(const struct pool *pool)
{
    return places_are_asking(&pool->places) ? pool->upstream->sessions_min : pool->wanted;
}

void pool_dial(struct pool *pool, int slot, struct place *place)
{
    place->sessions++;
    pool->slots[slot].place = place;
    session_table_set_slot(pool->table, slot, SLOT_DIALLING);
    pool->slots[slot].attempt = dial_attempt_start(&(struct dial_attempt_request){
        .room = pool->room,
        .config = pool->config,
        .upstream = pool->upstream,
        .place = place,
        .slot = slot,
        .programs = &pool->slots[slot].programs,
        .done = on_dialled,
        .arg = pool,
    });
}

/* Dials until the target is reached, counting dials under way. If no host may be dialled now, it is
 * called again when one may. */
void pool_fill(struct pool *pool)
{
    unsigned there =
        session_table_count(pool->table, SLOT_UP) + session_table_count(pool->table, SLOT_DIALLING);
    unsigned wanted = pool_target_size(pool);
    uint64_t wait = UINT64_MAX;
    int slot;

    deadline_cancel(&pool->retry);
    while (there < wanted && (slot = pool_empty_slot(pool)) >= 0) {
        struct place *place =
            places_choose(&pool->places, pool_now(pool), clients_wait(pool), &wait);
        if (place == NULL)
            break;
        log_debug("upstream %s: session %d: dialling %s: %u of %u sessions are up or dialled",
                  pool->upstream->name, slot, place->label, there, wanted);
        pool_dial(pool, slot, place);
        there++;
    }
    if (there < wanted && pool->places.count > 0)
        deadline_arm(pool->room->loop, &pool->retry, wait != UINT64_MAX ? wait : BUSY_HOST_MS,
                     on_retry);
}

/* A client found every session busy. Dials under way are counted: their sessions may suffice. */
static void pool_grow(struct pool *pool)
{
    unsigned up = session_table_count(pool->table, SLOT_UP);
    unsigned coming = session_table_count(pool->table, SLOT_DIALLING);
    unsigned carried = atomic_load(&pool->table->waiting);
    unsigned needed;

    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        carried += atomic_load(&pool->table->slots[i].channels);
    needed = carried / pool->upstream->channels + 1;
    if (coming == 0 || needed > up + coming)
        pool->wanted = clamp(pool, up + coming + 1 > needed ? up + coming + 1 : needed);
    pool_fill(pool);
}

/* Tells of a session that has come or gone. */
static void tell_session(struct pool *pool, int slot, enum event_kind kind, const char *why)
{
    const char *host = pool->slots[slot].place->label;
    struct event event = {kind, pool->upstream->name, host, slot, NULL, why};

    pool->known_up = events_session(pool->room, &event, pool->known_up, pool_is_up(pool));
    pool->known_down = !pool->known_up;
}

/* `why` NULL: the session was meant to end. */
static void slot_lost(struct pool *pool, int slot, const char *why)
{
    struct pool_slot *s = &pool->slots[slot];

    slot_clear(s);
    probe_session_lost(pool->upstream->name, slot, why != NULL ? why : "");
    if (why == NULL) {
        log_info("upstream %s: session %d closed", pool->upstream->name, slot);
    } else if (s->place->gone) {
        log_info("upstream %s: session %d at %s, which has left, ended: %s", pool->upstream->name,
                 slot, s->place->label, why);
    } else {
        log_warning("upstream %s: session %d lost: %s", pool->upstream->name, slot, why);
        metric_add(&pool->room->by_upstream[pool->table->label].lost, 1);
        history_failure(pool->room->history, pool_now(pool), pool->upstream->name, why);
        trouble_lost(pool->trouble, pool_now(pool), waited(pool));
        if (pool_now(pool) - s->since < SHORT_LIFE_MS)
            host_backoff_lost(s->place->host, s->since, pool_now(pool));
    }
    tell_session(pool, slot, why != NULL ? EVENT_SESSION_LOST : EVENT_SESSION_CLOSED,
                 why == NULL && s->place->gone ? "the SRV records no longer name its host" : why);
    pool_slot_end(pool, slot);
    pool_fill(pool);
}

void pool_tick(struct pool *pool)
{
    unsigned up = session_table_count(pool->table, SLOT_UP);
    bool asking = false;

    for (int i = 0; i < SESSION_TABLE_SLOTS; i++) {
        struct pool_slot *s = &pool->slots[i];
        bool surplus = up > pool->upstream->sessions_max + (pool->extra >= 0);
        asking = asking || (s->attempt != NULL && dial_attempt_is_asking(s->attempt));
        if (session_table_slot_state(pool->table, i) != SLOT_UP)
            continue;
        if (pool_now(pool) - s->since >= SHORT_LIFE_MS)
            host_backoff_well(s->place->host);
        if (atomic_load(&pool->table->slots[i].channels) > 0)
            s->idle_since = 0;
        else if (s->idle_since == 0)
            s->idle_since = pool_now(pool);
        if (forwards_need(pool->room->forwards, pool->table, i))
            continue;
        if (s->idle_since != 0 && session_table_wants_quiet(pool->table, i))
            s->idle_since =
                pool_now(pool); /* (if it were closed, another would be dialled for it) */
        if (surplus ||
            (up > pool->upstream->sessions_min + (pool->extra >= 0) && s->idle_since != 0 &&
             pool_now(pool) - s->idle_since >= pool->upstream->idle_ms)) {
            pool_retire(pool, i);
            up--;
            pool->wanted = clamp(pool, pool->wanted - 1);
        }
    }
    atomic_store(&pool->table->asking, asking);
    if (up > 0 && up >= pool_target_size(pool)) /* (What was lost may not be needed any more.) */
        trouble_over(pool->trouble, pool_now(pool), waited(pool), up);
    pool_hosts_tick(pool);
    /* While clients wait an unreachable host is dialled sooner than its backoff says. */
    if (clients_wait(pool))
        pool_fill(pool);
}

void pool_retry_now(struct pool *pool)
{
    places_retry_now(&pool->places);
    if (pool->watch != NULL)
        srv_watch_ask_now(pool->watch);
    pool_fill(pool);
}

void pool_forget_waits(struct pool *pool)
{
    places_forget_waits(&pool->places);
    if (pool->watch != NULL)
        srv_watch_ask_now(pool->watch);
    atomic_store(&pool->table->failing, DIAL_OK);
    pool_fill(pool);
}

static void apply_limits(struct pool *pool)
{
    atomic_store(&pool->table->max_channels, pool->upstream->channels);
    atomic_store(&pool->table->max_sessions, pool->upstream->sessions_max);
    atomic_store(&pool->table->quiet_sessions, pool->upstream->sessions_min + QUIET_SESSIONS);
    pool->wanted = clamp(pool, pool->wanted);
}

struct pool *pool_new(struct pool_room *room, struct config *config,
                      const struct config_upstream *upstream)
{
    struct pool *pool = mem_zalloc(sizeof(*pool));

    pool->room = room;
    pool->config = config_ref(config);
    pool->upstream = upstream;
    pool->table = session_table_new(upstream->name, pool);
    pool->table->label = label_of_upstream(room->workers->labels, upstream->name);
    pool->trouble = trouble_new(upstream->name);
    pool->extra = -1;
    places_init(&pool->places, room->hosts, upstream);
    pool_hosts_start(pool);
    apply_limits(pool);
    pool_fill(pool);
    return pool;
}

void pool_update(struct pool *pool, struct config *config, const struct config_upstream *upstream)
{
    config_ref(config);
    config_unref(pool->config);
    pool->config = config;
    pool->upstream = upstream;
    pool->kex_told = false;
    apply_limits(pool);
    pool_fill(pool);
}

/* Its session, if it has one, ends with its last channel. */
static void slot_abandon(struct pool *pool, int slot)
{
    struct pool_slot *s = &pool->slots[slot];

    if (session_table_slot_state(pool->table, slot) == SLOT_EMPTY)
        return;
    if (s->attempt != NULL) {
        dial_attempt_cancel(s->attempt);
        session_table_set_slot(pool->table, slot, SLOT_EMPTY);
    } else {
        session_table_set_slot(pool->table, slot, SLOT_RETIRING);
        dial_programs_leave(&s->programs);
    }
    pool_slot_end(pool, slot);
}

void pool_free(struct pool *pool)
{
    deadline_cancel(&pool->retry);
    srv_watch_free(pool->watch);
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        slot_abandon(pool, i);
    pool->table->pool = NULL;
    session_table_unref(pool->table);
    config_unref(pool->config);
    places_clear(&pool->places);
    free(pool->error);
    trouble_free(pool->trouble);
    free(pool);
}

struct session_table *pool_table(const struct pool *pool)
{
    return pool->table;
}

const struct config_upstream *pool_upstream(const struct pool *pool)
{
    return pool->upstream;
}

/* What workers tell (shared/main_messages). */

static void on_slot_wanted(struct session_table *table)
{
    if (table->pool != NULL)
        pool_grow(table->pool);
}

static void on_slot_up(struct session_table *table, int slot)
{
    struct pool *pool = table->pool;

    if (pool == NULL) {
        session_table_set_slot(table, slot, SLOT_RETIRING);
        return;
    }
    probe_session_up(table->upstream, slot);
    log_info("upstream %s: session %d up (%s, worker %d)", table->upstream, slot,
             pool->slots[slot].place->label, atomic_load(&table->slots[slot].worker));
    post_quantum_tell(&pool->kex_told, pool->upstream, pool->slots[slot].info);
    trouble_over(pool->trouble, pool_now(pool), waited(pool),
                 session_table_count(pool->table, SLOT_UP));
    forwards_session_up(pool->room->forwards, table);
    tell_session(pool, slot, EVENT_SESSION_UP, NULL);
    pool->room->up(pool->room, pool->upstream);
    pool_hosts_session_up(pool, slot);
}

static void on_slot_lost(struct session_table *table, int slot, const char *why)
{
    session_table_set_slot(table, slot, SLOT_EMPTY);
    if (table->pool == NULL)
        return;
    forwards_session_lost(table->pool->room->forwards, table, slot);
    slot_lost(table->pool, slot, why);
}

const struct main_events pool_main_events = {
    .grow = on_slot_wanted,
    .session_up = on_slot_up,
    .session_lost = on_slot_lost,
    .listen_answered = forwards_answered,
};

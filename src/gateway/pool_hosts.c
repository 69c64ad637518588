/* Which hosts a pool's sessions are at, as hosts come and go: by SRV records, or because they fail
 * and return. */
#include "gateway/pool_parts.h"

#include "base/log.h"
#include "gateway/forwards.h"

/* After a session was dialled in place of another, the next one is not before this. */
#define SPREAD_MS 5000

/* SRV records. */

static void leave_dial(struct pool *pool, int slot)
{
    dial_attempt_cancel(pool->slots[slot].attempt);
    pool->slots[slot].attempt = NULL;
    session_table_set_slot(pool->table, slot, SLOT_EMPTY);
    pool_slot_end(pool, slot);
}

/* It takes nothing new, and what it carries may go on for drain_timeout (0: as long as it likes).
 */
static void leave_session(struct pool *pool, int slot)
{
    struct pool_slot *s = &pool->slots[slot];
    uint64_t timeout = pool->config->gateway.drain_timeout_ms;

    pool_retire(pool, slot);
    s->cut_at = timeout > 0 ? pool_now(pool) + timeout : 0;
    forwards_session_retired(pool->room->forwards, pool->table, slot);
}

static void leave_slot(struct pool *pool, int slot)
{
    switch (session_table_slot_state(pool->table, slot)) {
    case SLOT_EMPTY: return;
    case SLOT_DIALLING:
        if (pool->slots[slot].attempt != NULL)
            leave_dial(pool, slot);
        return; /* (Its worker has it: pool_hosts_session_up.) */
    case SLOT_UP:
    case SLOT_RETIRING: leave_session(pool, slot); return;
    }
}

static void on_targets(void *arg, const struct target *targets, size_t count)
{
    struct pool *pool = arg;
    bool gone[SESSION_TABLE_SLOTS] = {false};

    /* (A host is freed with its last session.) */
    places_change(&pool->places, pool->upstream, targets, count);
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        gone[i] = session_table_slot_state(pool->table, i) != SLOT_EMPTY &&
                  pool->slots[i].place->gone && pool->slots[i].cut_at == 0;
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        if (gone[i])
            leave_slot(pool, i);
    if (!places_need_person(&pool->places))
        atomic_store(&pool->table->failing, DIAL_OK);
    if (count == 0)
        pool_tell_down(pool, pool_hosts_missing(pool));
    pool_fill(pool);
}

static void on_no_targets(void *arg, const char *why)
{
    pool_tell_down(arg, why);
}

void pool_hosts_start(struct pool *pool)
{
    const char *service = upstream_service(pool->upstream);

    if (service != NULL)
        pool->watch = srv_watch_new(&(struct srv_watch_request){
            .resolver = pool->room->resolver,
            .name = pool->upstream->name,
            .service = service,
            .changed = on_targets,
            .unknown = on_no_targets,
            .arg = pool,
        });
}

const char *pool_hosts_missing(const struct pool *pool)
{
    struct srv_watch_state state;

    if (pool->places.count > 0 || !pool_srv(pool, &state))
        return NULL;
    return state.error != NULL  ? state.error
           : state.next_ms == 0 ? "its SRV records are being asked for"
                                : "its SRV record says that there is no such service";
}

void pool_hosts_failed(struct pool *pool)
{
    if (pool->watch != NULL && !pool_is_up(pool) && places_are_down(&pool->places))
        srv_watch_ask_soon(pool->watch);
}

void pool_hosts_session_up(struct pool *pool, int slot)
{
    if (pool->slots[slot].place->gone)
        leave_session(pool, slot);
}

static void cut_overdue(struct pool *pool)
{
    for (int i = 0; i < SESSION_TABLE_SLOTS; i++) {
        struct pool_slot *s = &pool->slots[i];
        if (s->cut_at == 0 || pool_now(pool) < s->cut_at ||
            session_table_slot_state(pool->table, i) != SLOT_RETIRING)
            continue;
        log_warning("upstream %s: session %d: host %s has left, and its connections are still "
                    "there after drain_timeout: cutting them",
                    pool->upstream->name, i, s->place->label);
        s->cut_at = 0;
        atomic_store(&pool->table->slots[i].cut, true);
    }
}

/* Spreading anew. */

void pool_extra_end(struct pool *pool)
{
    pool->extra = -1;
    pool->extra_ended = pool_now(pool);
}

/* The session at that host that ends soonest; -1: remote forwards hold all. */
static int least_used_at(const struct pool *pool, const struct place *place)
{
    unsigned fewest = UINT32_MAX;
    int least = -1;

    for (int i = 0; i < SESSION_TABLE_SLOTS; i++) {
        unsigned channels = atomic_load(&pool->table->slots[i].channels);
        if (pool->slots[i].place != place || channels >= fewest ||
            session_table_slot_state(pool->table, i) != SLOT_UP ||
            forwards_need(pool->room->forwards, pool->table, i))
            continue;
        fewest = channels;
        least = i;
    }
    return least;
}

/* The extra session has shown that it lives: another one gives way to it. (By now another host may
 * be the one with too many; if none has, idle sessions end as always.) */
static void give_way(struct pool *pool)
{
    const struct pool_slot *extra = &pool->slots[pool->extra];
    enum slot_state state = session_table_slot_state(pool->table, pool->extra);
    struct place *from;
    int slot;

    if (state == SLOT_RETIRING) /* (its host has left: what it carries may last for long) */
        pool_extra_end(pool);
    if (state != SLOT_UP || pool_now(pool) - extra->since < SHORT_LIFE_MS)
        return;
    extra->place->sessions--; /* as it was when the extra session was dialled */
    from = places_worst(&pool->places, extra->place);
    extra->place->sessions++;
    slot = from != NULL ? least_used_at(pool, from) : -1;
    if (slot >= 0) {
        log_info("upstream %s: session %d (%s) gives way to session %d (%s)", pool->upstream->name,
                 slot, from->label, pool->extra, extra->place->label);
        pool_retire(pool, slot);
    }
    pool_extra_end(pool);
    pool_fill(pool);
}

static bool may_spread(const struct pool *pool)
{
    unsigned up = session_table_count(pool->table, SLOT_UP);

    return up > 0 && up >= pool_target_size(pool) &&
           session_table_count(pool->table, SLOT_DIALLING) == 0 &&
           !atomic_load(&pool->table->asks_anew) && pool_now(pool) - pool->extra_ended >= SPREAD_MS;
}

/* Dials a session at a host that should have more, while another has too many. */
static void spread(struct pool *pool)
{
    struct place *to = may_spread(pool) ? places_improve(&pool->places, pool_now(pool)) : NULL;
    struct place *from = to != NULL ? places_worst(&pool->places, to) : NULL;
    int slot = pool_empty_slot(pool);

    if (from == NULL || slot < 0 || least_used_at(pool, from) < 0)
        return;
    log_debug("upstream %s: session %d: dialling %s, as %s has %u sessions", pool->upstream->name,
              slot, to->label, from->label, from->sessions);
    pool->extra = slot;
    pool_dial(pool, slot, to);
}

void pool_hosts_tick(struct pool *pool)
{
    cut_overdue(pool);
    if (pool->watch != NULL && pool->places.count == 0 && atomic_load(&pool->table->waiting) > 0)
        srv_watch_ask_soon(pool->watch);
    if (pool->extra >= 0)
        give_way(pool);
    else
        spread(pool);
}

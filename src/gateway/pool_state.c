/* What is shown of a pool. */
#include "gateway/pool_parts.h"

bool pool_is_up(const struct pool *pool)
{
    return session_table_count(pool->table, SLOT_UP) > 0;
}

void pool_state(const struct pool *pool, struct pool_state *state)
{
    const struct deadline *retry_at = &pool->retry;

    *state = (struct pool_state){
        .up = session_table_count(pool->table, SLOT_UP),
        .dialling = session_table_count(pool->table, SLOT_DIALLING),
        .wanted = pool->wanted,
        .waiting = atomic_load(&pool->table->waiting),
        .error = pool->places.count > 0 ? pool->error : pool_hosts_missing(pool),
        .retrying = retry_at->queue != NULL,
    };
    if (state->retrying && retry_at->due > pool_now(pool))
        state->retry_ms = retry_at->due - pool_now(pool);
}

bool pool_session(const struct pool *pool, int slot, struct pool_session *session)
{
    const struct session_slot *b = &pool->table->slots[slot];
    const struct pool_slot *s = &pool->slots[slot];
    enum slot_state state = session_table_slot_state(pool->table, slot);

    if (state == SLOT_EMPTY)
        return false;
    *session = (struct pool_session){
        .state = state,
        .host = s->place->label,
        .worker = atomic_load(&b->worker),
        .channels = atomic_load(&b->channels),
        .asking = s->attempt != NULL && dial_attempt_is_asking(s->attempt),
        .round_trip_ms = -1,
        .up_ms = s->attempt == NULL ? pool_now(pool) - s->since : 0,
        .info = s->info,
    };
    if (state == SLOT_DIALLING) /* (the figures are those of the session before) */
        return true;
    session->rate = atomic_load(&b->rate);
    session->overdue = atomic_load(&b->overdue);
    session->round_trip_ms = atomic_load(&b->round_trip_ms);
    session->bytes_in = atomic_load(&b->bytes_in);
    session->bytes_out = atomic_load(&b->bytes_out);
    return true;
}

bool pool_host(const struct pool *pool, size_t number, struct pool_host *host)
{
    const struct place *place;

    if (number >= pool->places.count)
        return false;
    place = pool->places.items[number];
    *host = (struct pool_host){
        .name = place->label,
        .priority = place->priority,
        .weight = place->weight,
        .sessions = place->sessions,
        .down = host_backoff_is_down(place->host),
    };
    return true;
}

bool pool_srv(const struct pool *pool, struct srv_watch_state *state)
{
    if (pool->watch != NULL)
        srv_watch_state(pool->watch, state);
    return pool->watch != NULL;
}

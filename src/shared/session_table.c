/* The table of an upstream's sessions. */
#include "shared/session_table.h"

#include "base/mem.h"
#include "policy/balance.h"

#include <limits.h>
#include <stdlib.h>

/* How long it is believed how many shells a server allows a session. */
#define SHELL_LIMIT_MS 60000

const char *slot_state_name(enum slot_state state)
{
    static const char *const names[] = {"empty", "dialling", "up", "retiring"};
    return names[state];
}

struct session_table *session_table_new(const char *upstream, struct pool *pool)
{
    struct session_table *table = mem_zalloc(sizeof(*table));

    table->upstream = mem_strdup(upstream);
    table->pool = pool;
    table->fast_names = fast_names_new();
    table->slow_names = fast_names_new();
    atomic_store(&table->references, 1);
    return table;
}

struct session_table *session_table_ref(struct session_table *table)
{
    atomic_fetch_add(&table->references, 1);
    return table;
}

void session_table_unref(struct session_table *table)
{
    if (table == NULL || atomic_fetch_sub(&table->references, 1) != 1)
        return;
    session_table_unref(atomic_load(&table->successor));
    fast_names_free(table->fast_names);
    fast_names_free(table->slow_names);
    free(table->upstream);
    free(table);
}

struct session_table *session_table_current(struct session_table *table)
{
    struct session_table *successor;

    while ((successor = atomic_load(&table->successor)) != NULL)
        table = successor;
    return table;
}

void session_table_succeed(struct session_table *table, struct session_table *successor)
{
    atomic_store(&table->successor, session_table_ref(successor));
}

enum slot_state session_table_slot_state(const struct session_table *table, int slot)
{
    return (enum slot_state)atomic_load(&table->slots[slot].state);
}

void session_table_set_slot(struct session_table *table, int slot, enum slot_state state)
{
    atomic_store(&table->slots[slot].state, (int)state);
    /* (Only the main thread fills empty slots, so only it raises `used`.) */
    if (slot >= atomic_load_explicit(&table->used, memory_order_relaxed))
        atomic_store(&table->used, slot + 1);
}

/* Asks policy/balance about all slots but `without`; the index of its choice is made a slot's. */
static struct balance_choice choose_among(const struct session_table *table, int worker,
                                          bool may_block, int without, unsigned shell_limit)
{
    struct balance_session sessions[SESSION_TABLE_SLOTS];
    int slots[SESSION_TABLE_SLOTS];
    struct balance_limits limits = {
        .channels = atomic_load_explicit(&table->max_channels, memory_order_relaxed),
        .max_sessions = atomic_load_explicit(&table->max_sessions, memory_order_relaxed),
        .quiet_sessions = atomic_load_explicit(&table->quiet_sessions, memory_order_relaxed),
    };
    struct balance_choice choice;
    int used = atomic_load(&table->used);
    size_t count = 0;

    for (int i = 0; i < used; i++) {
        const struct session_slot *slot = &table->slots[i];
        int state = atomic_load_explicit(&slot->state, memory_order_acquire);
        if (i == without || (state != SLOT_UP && state != SLOT_DIALLING))
            continue;
        slots[count] = i;
        sessions[count++] = (struct balance_session){
            .usable = state == SLOT_UP && atomic_load(&slot->shells) < shell_limit,
            .overdue = atomic_load_explicit(&slot->overdue, memory_order_relaxed),
            .streaming = atomic_load_explicit(&slot->streaming, memory_order_relaxed),
            .local = atomic_load_explicit(&slot->worker, memory_order_relaxed) == worker,
            .channels = atomic_load_explicit(&slot->channels, memory_order_relaxed) +
                        atomic_load_explicit(&slot->abandoned, memory_order_relaxed),
            .rate = atomic_load_explicit(&slot->rate, memory_order_relaxed),
        };
    }
    choice = balance_choose(sessions, count, &limits, may_block);
    if (choice.index >= 0)
        choice.index = slots[choice.index];
    return choice;
}

static struct balance_choice choose_slot_of(const struct session_table *table, int worker,
                                            bool may_block, int without)
{
    return choose_among(table, worker, may_block, without, UINT_MAX);
}

int session_table_reserve_shell(struct session_table *table, int worker, uint64_t now, bool *grow)
{
    bool known = now < atomic_load(&table->shell_limit_until);
    unsigned limit = known ? atomic_load(&table->shell_limit) : UINT_MAX;
    struct balance_choice choice = choose_among(table, worker, false, -1, limit);

    *grow = choice.grow;
    if (choice.index < 0)
        return -1;
    session_table_reserve_at(table, choice.index);
    atomic_fetch_add(&table->slots[choice.index].shells, 1);
    return choice.index;
}

void session_table_release_shell(struct session_table *table, int slot)
{
    atomic_fetch_sub(&table->slots[slot].shells, 1);
}

bool session_table_shell_refused(struct session_table *table, int slot, uint64_t now)
{
    unsigned others = atomic_load(&table->slots[slot].shells) - 1;

    if (others == 0)
        return false;
    atomic_store(&table->shell_limit, others);
    atomic_store(&table->shell_limit_until, now + SHELL_LIMIT_MS);
    return true;
}

int session_table_reserve(struct session_table *table, int worker, bool may_block, bool *grow)
{
    struct balance_choice choice = choose_slot_of(table, worker, may_block, -1);

    if (choice.index >= 0)
        session_table_reserve_at(table, choice.index);
    *grow = choice.grow;
    return choice.index;
}

int session_table_reserve_other(struct session_table *table, int worker, bool may_block, int slot,
                                bool *grow)
{
    struct balance_choice choice = choose_slot_of(table, worker, may_block, -1);

    *grow = choice.grow;
    if (choice.index < 0 || choice.index == slot ||
        atomic_load_explicit(&table->slots[choice.index].overdue, memory_order_relaxed))
        return -1;
    session_table_reserve_at(table, choice.index);
    return choice.index;
}

void session_table_reserve_at(struct session_table *table, int slot)
{
    atomic_fetch_add_explicit(&table->slots[slot].channels, 1, memory_order_relaxed);
}

bool session_table_has_other(const struct session_table *table, int slot)
{
    int used = atomic_load(&table->used);

    for (int i = 0; i < used; i++) {
        const struct session_slot *other = &table->slots[i];
        if (i != slot && session_table_slot_state(table, i) == SLOT_UP &&
            !atomic_load_explicit(&other->overdue, memory_order_relaxed))
            return true;
    }
    return false;
}

bool session_table_wants_other(const struct session_table *table, int slot)
{
    int used = atomic_load(&table->used);
    unsigned count = 0;

    if (atomic_load_explicit(&table->asks_anew, memory_order_relaxed))
        return false;
    for (int i = 0; i < used; i++) {
        enum slot_state state = session_table_slot_state(table, i);
        if (i != slot && state == SLOT_DIALLING)
            return false;
        count += state == SLOT_UP;
    }
    return count < atomic_load_explicit(&table->max_sessions, memory_order_relaxed) &&
           !session_table_has_other(table, slot);
}

void session_table_expect_names(struct session_table *table)
{
    /* (Called for each open; a store each time would take the cache line from the other workers.)
     */
    if (!atomic_load_explicit(&table->expects_names, memory_order_relaxed))
        atomic_store_explicit(&table->expects_names, true, memory_order_relaxed);
}

bool session_table_wants_quiet(const struct session_table *table, int without)
{
    return atomic_load_explicit(&table->expects_names, memory_order_relaxed) &&
           choose_slot_of(table, -1, true, without).grow;
}

int session_table_hint(const struct session_table *table, int worker)
{
    int slot = choose_slot_of(table, worker, false, -1).index;

    return slot < 0 ? -1 : atomic_load_explicit(&table->slots[slot].worker, memory_order_relaxed);
}

void session_table_release(struct session_table *table, int slot)
{
    atomic_fetch_sub_explicit(&table->slots[slot].channels, 1, memory_order_relaxed);
}

unsigned session_table_count(const struct session_table *table, enum slot_state state)
{
    unsigned n = 0;

    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        n += session_table_slot_state(table, i) == state;
    return n;
}

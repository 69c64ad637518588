/* The table of an upstream's sessions. */
#include "shared/session_table.h"

#include "base/mem.h"
#include "policy/balance.h"

#include <stdlib.h>

const char *slot_state_name(enum slot_state state)
{
    static const char *const names[] = {"empty", "dialling", "up", "retiring"};
    return names[state];
}

struct board *board_new(const char *upstream, struct pool *pool)
{
    struct board *board = mem_zalloc(sizeof(*board));

    board->upstream = mem_strdup(upstream);
    board->pool = pool;
    board->quick_names = quick_names_new();
    atomic_store(&board->references, 1);
    return board;
}

struct board *board_ref(struct board *board)
{
    atomic_fetch_add(&board->references, 1);
    return board;
}

void board_unref(struct board *board)
{
    if (board == NULL || atomic_fetch_sub(&board->references, 1) != 1)
        return;
    board_unref(atomic_load(&board->successor));
    quick_names_free(board->quick_names);
    free(board->upstream);
    free(board);
}

struct board *board_current(struct board *board)
{
    struct board *successor;

    while ((successor = atomic_load(&board->successor)) != NULL)
        board = successor;
    return board;
}

void board_succeed(struct board *board, struct board *successor)
{
    atomic_store(&board->successor, board_ref(successor));
}

enum slot_state board_slot_state(const struct board *board, int slot)
{
    return (enum slot_state)atomic_load(&board->slots[slot].state);
}

void board_set_slot(struct board *board, int slot, enum slot_state state)
{
    atomic_store(&board->slots[slot].state, (int)state);
    /* (The main thread alone fills slots, hence raises it.) */
    if (slot >= atomic_load_explicit(&board->used, memory_order_relaxed))
        atomic_store(&board->used, slot + 1);
}

/* What policy/balance says now of all slots but `without`; its index is that of a slot. */
static struct balance_choice choose(const struct board *board, int worker, bool risky, int without)
{
    struct balance_session sessions[BOARD_SLOTS];
    int slots[BOARD_SLOTS];
    struct balance_limits limits = {
        .channels = atomic_load_explicit(&board->max_channels, memory_order_relaxed),
        .max_sessions = atomic_load_explicit(&board->max_sessions, memory_order_relaxed),
        .calm_sessions = atomic_load_explicit(&board->calm_sessions, memory_order_relaxed),
    };
    struct balance_choice choice;
    int used = atomic_load(&board->used);
    size_t count = 0;

    for (int i = 0; i < used; i++) {
        const struct board_slot *slot = &board->slots[i];
        int state = atomic_load_explicit(&slot->state, memory_order_acquire);
        if (i == without || (state != SLOT_UP && state != SLOT_DIALLING))
            continue;
        slots[count] = i;
        sessions[count++] = (struct balance_session){
            .usable = state == SLOT_UP,
            .overdue = atomic_load_explicit(&slot->overdue, memory_order_relaxed),
            .steady = atomic_load_explicit(&slot->steady, memory_order_relaxed),
            .local = atomic_load_explicit(&slot->worker, memory_order_relaxed) == worker,
            .channels = atomic_load_explicit(&slot->channels, memory_order_relaxed) +
                        atomic_load_explicit(&slot->abandoned, memory_order_relaxed),
            .rate = atomic_load_explicit(&slot->rate, memory_order_relaxed),
        };
    }
    choice = balance_choose(sessions, count, &limits, risky);
    if (choice.index >= 0)
        choice.index = slots[choice.index];
    return choice;
}

int board_reserve(struct board *board, int worker, bool risky, bool *grow)
{
    struct balance_choice choice = choose(board, worker, risky, -1);

    if (choice.index >= 0)
        atomic_fetch_add_explicit(&board->slots[choice.index].channels, 1, memory_order_relaxed);
    *grow = choice.grow;
    return choice.index;
}

void board_expect_names(struct board *board)
{
    /* (Said for each open; a store would take the line from the other workers.) */
    if (!atomic_load_explicit(&board->expects_names, memory_order_relaxed))
        atomic_store_explicit(&board->expects_names, true, memory_order_relaxed);
}

bool board_wants_calm(const struct board *board, int without)
{
    return atomic_load_explicit(&board->expects_names, memory_order_relaxed) &&
           choose(board, -1, true, without).grow;
}

int board_hint(const struct board *board, int worker)
{
    int slot = choose(board, worker, false, -1).index;

    return slot < 0 ? -1 : atomic_load_explicit(&board->slots[slot].worker, memory_order_relaxed);
}

void board_release(struct board *board, int slot)
{
    atomic_fetch_sub_explicit(&board->slots[slot].channels, 1, memory_order_relaxed);
}

/* One upstream's sessions as every thread sees them: a table of slots, all atomic. The main thread
 * fills and empties slots, the worker that owns a session publishes how it does, and every worker
 * chooses from here. */
#ifndef ADIT_GATEWAY_BOARD_H
#define ADIT_GATEWAY_BOARD_H

#include "conf/config.h"
#include "policy/fast_names.h"
#include "session/session.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_SLOTS CONFIG_SESSIONS_MAX

enum slot_state {
    SLOT_EMPTY,
    SLOT_DIALLING, /* the main thread makes a session for it */
    SLOT_UP,
    SLOT_RETIRING, /* takes no new channels; closed when it has none */
};

/* "empty", "dialling", ...: for the log. */
const char *slot_state_name(enum slot_state state);

struct board_slot {
    atomic_int state;
    atomic_int worker;    /* whose session it is */
    atomic_uint channels; /* reserved: open, being opened, or clients on their way here */
    atomic_uint rate;     /* KiB a second of late */
    atomic_bool overdue;
    atomic_bool steady;    /* see policy/balance */
    atomic_uint abandoned; /* opens that nobody waits for, and that were not answered yet */
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
    struct session *session; /* the owning worker's, nobody else looks */
};

struct pool;

struct board {
    atomic_uint references;
    char *upstream;                    /* its name */
    struct pool *pool;                 /* the main thread's; NULL once the pool has gone */
    _Atomic(struct board *) successor; /* the pool that took its place in a reload; referenced */
    atomic_bool grow_asked;            /* a message is on its way */
    atomic_uint waiting;               /* clients waiting for a session */
    atomic_bool asking;                /* a login waits for somebody's answer */
    atomic_uint max_channels;          /* `channels` */
    atomic_uint max_sessions;
    atomic_int used;                 /* slots from this one on have always been empty */
    atomic_uint calm_sessions;       /* see policy/balance */
    atomic_bool expects_names;       /* risky opens may come */
    struct quick_names *quick_names; /* that the server was quick with */
    struct board_slot slots[BOARD_SLOTS];
};

/* A board with one reference. */
struct board *board_new(const char *upstream, struct pool *pool);
struct board *board_ref(struct board *board);
void board_unref(struct board *board);

/* Chooses the slot for one more channel (policy/balance, also for what is `risky`) and reserves it
 * there; -1: no session is up. `*grow` when the pool wants another session. */
int board_reserve(struct board *board, int worker, bool risky, bool *grow);

/* Risky opens may come: without this being said, no calm session is wanted. */
void board_expect_names(struct board *board);

/* Whether there is no session that a risky open could go to without harm, but for slot `without`
 * (-1: none is left out), and there may be one more. */
bool board_wants_calm(const struct board *board, int without);

/* The board itself, or the one that took its place. It lives as long as the board does. */
struct board *board_current(struct board *board);

/* Names the successor (referenced anew) of a board whose pool has gone; once. */
void board_succeed(struct board *board, struct board *successor);

/* The worker whose session would probably be chosen now, so that a new connection can go there at
 * once; -1: none is up. `worker` is where the connection is (-1: nowhere): as in board_reserve, its
 * own sessions are preferred, as far as policy/balance does. */
int board_hint(const struct board *board, int worker);

/* Gives one reservation back; the slot may have a newer session by then. */
void board_release(struct board *board, int slot);

enum slot_state board_slot_state(const struct board *board, int slot);
void board_set_slot(struct board *board, int slot, enum slot_state state);

#endif

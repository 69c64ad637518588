/* One upstream's sessions as every thread sees them: a table of atomic slots. The main thread fills
 * and empties slots, the worker that drives a session publishes its figures, and every worker
 * chooses the session for a channel here. */
#ifndef ADIT_SHARED_SESSION_TABLE_H
#define ADIT_SHARED_SESSION_TABLE_H

#include "conf/config.h"
#include "policy/fast_names.h"
#include "session/login.h"
#include "session/session.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SESSION_TABLE_SLOTS CONFIG_SESSIONS_MAX

enum slot_state {
    SLOT_EMPTY,
    SLOT_DIALLING, /* the main thread dials a session for it */
    SLOT_UP,
    SLOT_RETIRING, /* takes no new channels; closed when it has none */
};

/* "empty", "dialling", ...: for the log. */
const char *slot_state_name(enum slot_state state);

struct session_slot {
    atomic_int state;
    atomic_int worker;    /* the index of the worker that drives the session */
    atomic_uint channels; /* reserved: open, being opened, or for clients that move here */
    atomic_uint rate;     /* KiB a second, decaying */
    atomic_bool overdue;
    atomic_bool streaming; /* see policy/balance */
    atomic_bool cut;       /* in SLOT_RETIRING: its channels had time enough, and are cut */
    atomic_uint shells;    /* of `channels`: those of ssh(1), session/shell.h */
    atomic_uint abandoned; /* opens that were cancelled and that the server has not answered yet */
    atomic_int round_trip_ms; /* to the server and back; -1: not known */
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
    struct session *session; /* for the worker that drives it alone */
};

struct pool;

struct session_table {
    atomic_uint references;
    char *upstream;    /* its name */
    uint16_t label;    /* of that name (shared/label_counts); set before others see the table */
    struct pool *pool; /* the main thread's; NULL once the pool has gone */
    _Atomic(struct session_table *)
        successor;           /* of the pool that replaced this one in a reload; referenced */
    atomic_bool grow_asked;  /* a message is on its way */
    atomic_uint waiting;     /* clients waiting for a session */
    atomic_uint waited;      /* clients that have ever begun to wait for one */
    atomic_bool asking;      /* a login waits for a person's answer */
    atomic_bool asks_anew;   /* each login asks a person, as the last one did */
    atomic_int failing;      /* why only a person can get a session: DIAL_AUTHENTICATION or
                                DIAL_HOST_KEY; DIAL_OK: no such cause is known */
    atomic_uint shell_limit; /* shells that the server allows a session (MaxSessions), as far as
                                refusals have shown of late ... */
    _Atomic uint64_t shell_limit_until; /* ... until then (loop_now); later it is not known */
    atomic_uint max_channels;           /* `channels` */
    atomic_uint max_sessions;
    atomic_int used;               /* slots from this one on have always been empty */
    atomic_uint quiet_sessions;    /* see policy/balance */
    atomic_bool expects_names;     /* opens that may block may come */
    struct fast_names *fast_names; /* names that the server resolved quickly of late */
    struct fast_names *slow_names; /* worker/client_open.c */
    struct session_slot slots[SESSION_TABLE_SLOTS];
};

/* A session table with one reference. */
struct session_table *session_table_new(const char *upstream, struct pool *pool);
struct session_table *session_table_ref(struct session_table *table);
void session_table_unref(struct session_table *table);

/* Chooses the slot for one more channel (policy/balance, also about `may_block`) and reserves a
 * channel there; -1: no session is up. `*grow` is set if the pool should have another session. */
int session_table_reserve(struct session_table *table, int worker, bool may_block, bool *grow);

/* The same for a shell channel, on a session that has fewer of these than the server allows.
 * `*grow` is set, too, if there is none. */
int session_table_reserve_shell(struct session_table *table, int worker, uint64_t now, bool *grow);

/* Gives the shell's part of a reservation back, before session_table_release. */
void session_table_release_shell(struct session_table *table, int slot);

/* The server has refused a shell on that slot, where one is reserved for it. Whether that may be
 * because of others there, so that another session may do. (A server counts a shell for a moment
 * after its end, so that a limit is believed for a minute only.) */
bool session_table_shell_refused(struct session_table *table, int slot, uint64_t now);

/* The same for an open that waits on `slot`, whose server is overdue: a session that is not
 * overdue, or -1. */
int session_table_reserve_other(struct session_table *table, int worker, bool may_block, int slot,
                                bool *grow);

/* Reserves one more channel on a slot. */
void session_table_reserve_at(struct session_table *table, int slot);

/* Whether there is another session than that of `slot`, up and not overdue. */
bool session_table_has_other(const struct session_table *table, int slot);

/* Whether there is none, none is being dialled, and there may be one more without a question to a
 * person. */
bool session_table_wants_other(const struct session_table *table, int slot);

/* From now on opens that may block are expected; before that, no quiet session is wanted. */
void session_table_expect_names(struct session_table *table);

/* Whether a may-block open would find no session without transfers, and there may be one more.
 * Slot `without` is left out (-1: none is). */
bool session_table_wants_quiet(const struct session_table *table, int without);

/* The newest table of the upstream: this one, or its last successor. It lives as long as this one.
 */
struct session_table *session_table_current(struct session_table *table);

/* Names the successor (referenced anew) of a session table whose pool has gone; once. */
void session_table_succeed(struct session_table *table, struct session_table *successor);

/* The worker whose session would probably be chosen now, so that a new connection can go there at
 * once; -1: none is up. `worker` is where the connection is (-1: nowhere): as in
 * session_table_reserve, its own sessions are preferred, as far as policy/balance does. */
int session_table_hint(const struct session_table *table, int worker);

/* Gives one reservation back; the slot may have a newer session by then. */
void session_table_release(struct session_table *table, int slot);

/* The slots in that state. */
unsigned session_table_count(const struct session_table *table, enum slot_state state);

enum slot_state session_table_slot_state(const struct session_table *table, int slot);
void session_table_set_slot(struct session_table *table, int slot, enum slot_state state);

#endif

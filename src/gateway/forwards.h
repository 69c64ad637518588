/* The remote forwards of a configuration: which are listened on at their servers, which session
 * holds each, and when one that was refused is asked for again. Main thread only; what comes in by
 * them is the business of worker/remote_forwards. */
#ifndef ADIT_GATEWAY_FORWARDS_H
#define ADIT_GATEWAY_FORWARDS_H

#include "shared/generation.h"
#include "worker/worker.h"

struct forwards;
struct listen_answer;

enum forward_state {
    FORWARD_WAITING,  /* for a session */
    FORWARD_ASKED,    /* the server has not answered yet */
    FORWARD_UP,       /* the server listens */
    FORWARD_DEGRADED, /* it refused, and will be asked again */
};

/* "waiting", "asked", ...: for the log and the status. */
const char *forward_state_name(enum forward_state state);

struct forward_status {
    const struct config_forward *forward; /* of the generation in use */
    enum forward_state state;
    int session;         /* FORWARD_ASKED, FORWARD_UP: the upstream's slot; else -1 */
    uint16_t port;       /* FORWARD_UP: that the server listens on; 0: it is a unix socket */
    const char *error;   /* FORWARD_DEGRADED: what failed, in ssh's words */
    uint64_t next_in_ms; /* FORWARD_DEGRADED: it is tried again */
};

/* `changed` is called, never from inside a call, whenever a forward has become FORWARD_UP or
 * FORWARD_DEGRADED; true: the callee has seen to it that a refusal is told of. `lost` is called,
 * also from inside forwards_session_lost, when the session of one that was up is lost. */
struct forwards *forwards_new(struct loop *loop, struct workers *workers,
                              bool (*changed)(void *arg, const struct forward_status *status),
                              void (*lost)(void *arg, const struct config_forward *forward),
                              void *arg);
void forwards_free(struct forwards *forwards);

/* Those of this generation are wanted, and no others; those that stay keep their ports, and what
 * came in by the others goes on. NULL: none at all. */
void forwards_change(struct forwards *forwards, struct generation *generation);

/* A session of that session table is up, or not any more. */
void forwards_session_up(struct forwards *forwards, const struct session_table *table);
void forwards_session_lost(struct forwards *forwards, const struct session_table *table, int slot);

/* The session of that slot takes nothing new from now on: another one is to hold its forwards. */
void forwards_session_retired(struct forwards *forwards, const struct session_table *table,
                              int slot);

/* Whether the session of that slot holds a forward, and so is not idle. */
bool forwards_need(const struct forwards *forwards, const struct session_table *table, int slot);

/* Whether all are up, but for those that were refused where this is no failure
 * (exit_on_forward_failure). */
bool forwards_settled(const struct forwards *forwards);

/* Calls `each` for every one, in the configuration's order. */
void forwards_each(const struct forwards *forwards,
                   void (*each)(void *arg, const struct forward_status *status), void *arg);

/* The server answered the listen order of that number (main_events.listen_answered). */
void forwards_answered(struct forwards *forwards, uint64_t order,
                       const struct listen_answer *answer);

#endif

/* An upstream's sessions: dialled, handed to workers, replaced when they die, closed when idle.
 * Main thread only. */
#ifndef ADIT_GATEWAY_POOL_H
#define ADIT_GATEWAY_POOL_H

#include "shared/session_table.h"
#include "gateway/host_backoff.h"
#include "shared/main_messages.h"
#include "shared/label_counts.h"
#include "shared/metrics.h"
#include "worker/worker.h"
#include "gateway/dial_programs.h"
#include "shared/service.h"
#include "io/resolver.h"

struct event;
struct history;
struct pool;

/* What all pools share. */
struct pool_room {
    struct loop *loop;
    struct workers *workers;
    const struct login_engine *engine;      /* that dials */
    const struct login_engine *join_engine; /* of upstreams with join_master */
    struct resolver *resolver;              /* for the upstream hosts' own names */
    struct host_backoffs *hosts;            /* backoff, shared by all that dial the same place */
    struct keeper_link *link;               /* for login lines; NULL: none (tests) */
    bool may_ask;                           /* dials may ask a person */
    struct service *service;                /* the main thread's */
    struct forwards *forwards;              /* that sessions hold */
    struct generation *generation; /* in use: whose upstreams carry those with a jump host */
    struct history *history;       /* NULL: none (tests) */
    struct metrics metrics;        /* dials */
    /* The same and more, by the upstream's label. */
    struct upstream_counts {
        metric dials[DIAL_STATUSES];
        metric unreachable;
        metric lost;
        metric certificate_until; /* connection_info's, of the last login; 0: none */
    } by_upstream[LABEL_UPSTREAMS];
    /* A dial has failed; true: the callee reports it, so that the pool need not. */
    bool (*failed)(struct pool_room *room, const struct config_upstream *upstream,
                   const char *place, const char *error);
    /* A session is up. */
    void (*up)(struct pool_room *room, const struct config_upstream *upstream);
    /* A session or its upstream has come or gone; NULL: nobody is told (tests). */
    void (*happened)(struct pool_room *room, const struct event *event);
};

/* A pool for an upstream of `config` (referenced); starts dialling at once. */
struct pool *pool_new(struct pool_room *room, struct config *config,
                      const struct config_upstream *upstream);

/* The upstream's settings after a reload, with config_upstream_same_sessions. */
void pool_update(struct pool *pool, struct config *config, const struct config_upstream *upstream);

/* Gives up dials, lets sessions end when their channels have, and frees. Its session table lives on
 * as long as someone has a reference. */
void pool_free(struct pool *pool);

struct session_table *pool_table(const struct pool *pool);
const struct config_upstream *pool_upstream(const struct pool *pool);

/* About once a second: closes what idles. */
void pool_tick(struct pool *pool);

/* The network may have changed: dials that wait for their backoff start now, but for those that
 * only a person can help. */
void pool_retry_now(struct pool *pool);

/* The configuration was read again: every host is dialled as if it had not failed before. */
void pool_forget_waits(struct pool *pool);

/* How the upstream does. */
struct pool_state {
    unsigned up;
    unsigned dialling;
    unsigned wanted;
    unsigned waiting;  /* clients without a session */
    const char *error; /* of the last dial; NULL: it went well; valid until the pool is touched */
    bool retrying;     /* a dial waits for its backoff ... */
    uint64_t retry_ms; /* ... for this much longer */
};
void pool_state(const struct pool *pool, struct pool_state *state);

/* One of its sessions; false: the slot is empty. */
struct pool_session {
    enum slot_state state;
    const char *host; /* as it is named in the log; valid until the pool is touched */
    int worker;
    unsigned channels;
    bool asking;   /* its login waits for a person's answer */
    unsigned rate; /* KiB a second of late; this and what follows is 0 until it is up */
    bool overdue;
    int round_trip_ms; /* to the server and back; -1: not known */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t up_ms;                     /* how long it has been up */
    const struct connection_info *info; /* NULL: not yet; valid until the pool is touched */
};
bool pool_session(const struct pool *pool, int slot, struct pool_session *session);

/* One of its hosts, by a number from 0 on; false: there are no more. */
struct pool_host {
    const char *name; /* as it is named in the log; valid until the pool is touched */
    unsigned priority;
    unsigned weight;
    unsigned sessions; /* up or being dialled */
    bool down;         /* the last dial there failed */
};
bool pool_host(const struct pool *pool, size_t number, struct pool_host *host);

/* The SRV records that name its hosts; false: the configuration does. */
struct srv_watch_state;
bool pool_srv(const struct pool *pool, struct srv_watch_state *state);

/* Whether a session is up. */
bool pool_is_up(const struct pool *pool);

/* What the main thread does with its messages from workers: for workers.main_events. */
extern const struct main_events pool_main_events;

#endif

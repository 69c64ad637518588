/* A pool inside: for pool.c and pool_hosts.c. */
#ifndef ADIT_GATEWAY_POOL_PARTS_H
#define ADIT_GATEWAY_POOL_PARTS_H

#include "gateway/dial_attempt.h"
#include "gateway/dial_programs.h"
#include "gateway/places.h"
#include "gateway/pool.h"
#include "gateway/srv_watch.h"
#include "gateway/trouble.h"

/* A session that lives shorter than this counts as a failed dial. Otherwise a server that ends
 * sessions at once would be dialled without a pause. */
#define SHORT_LIFE_MS 5000

struct pool {
    struct pool_room *room;
    struct config *config;
    const struct config_upstream *upstream;
    struct session_table *table;
    struct places places;
    struct srv_watch *watch; /* NULL: the hosts are those of the configuration */
    unsigned wanted;         /* sessions, within the bounds */
    char *error;             /* why the last dial failed; NULL: it did not */
    struct trouble *trouble;
    bool known_up;   /* the last event said so */
    bool known_down; /* likewise */
    bool kex_told; /* that a key exchange is not post-quantum, since the configuration is in use */
    struct pool_slot {
        struct dial_attempt *attempt; /* in SLOT_DIALLING until it is handed over */
        struct place *place;
        struct dial_programs programs;
        struct connection_info *info; /* NULL until it has logged in */
        uint64_t since;               /* when its worker got it */
        uint64_t idle_since;          /* 0: it carries channels */
        bool retiring;                /* it takes nothing new */
        uint64_t cut_at;              /* of one that retires: its channels end then; 0: never */
    } slots[SESSION_TABLE_SLOTS];
    struct deadline retry;
    int extra; /* the slot of a session that is to replace one at a host with too many; -1: none */
    uint64_t extra_ended; /* when there was one last */
};

/* pool.c */

static inline uint64_t pool_now(const struct pool *pool)
{
    return loop_now(pool->room->loop);
}

/* Dials until there are as many sessions as there are to be. */
void pool_fill(struct pool *pool);

/* How many sessions there are to be now. */
unsigned pool_target_size(const struct pool *pool);

/* Dials one session for an empty slot. */
void pool_dial(struct pool *pool, int slot, struct place *place);
int pool_empty_slot(const struct pool *pool);

/* The session takes nothing new, and its worker closes it when its last channel has ended. */
void pool_retire(struct pool *pool, int slot);

/* Tells of an upstream that has no session and gets none, once until it is up again. */
void pool_tell_down(struct pool *pool, const char *why);

/* The slot's dial has ended, or its session: the slot can be used again. */
void pool_slot_end(struct pool *pool, int slot);

/* pool_hosts.c */

/* Has SRV records asked for, where the upstream's hosts are those. */
void pool_hosts_start(struct pool *pool);

/* Why there is no host; NULL: there is one. Valid until the pool is touched. */
const char *pool_hosts_missing(const struct pool *pool);

/* No session is up, and dials fail: there may be other hosts by now. */
void pool_hosts_failed(struct pool *pool);

/* Once a second: sessions of hosts that have gone are cut when drain_timeout is over, and those of
 * a host that has too many give way to others at better ones, one after the other. */
void pool_hosts_tick(struct pool *pool);

/* A session at a host that has gone meanwhile is up. */
void pool_hosts_session_up(struct pool *pool, int slot);

/* The extra session's dial has failed, or the session is lost or no longer extra. */
void pool_extra_end(struct pool *pool);

#endif

/* The inside of a worker, for the files of this room: one thread, one loop, its clients, its
 * sessions, its resolvers. Everything here belongs to the worker's own thread. */
#ifndef ADIT_WORKER_WORKER_PARTS_H
#define ADIT_WORKER_WORKER_PARTS_H

#include "policy/users.h"
#include "session/login.h"
#include "session/session.h"
#include "shared/service.h"
#include "worker/worker.h"

#include <uv.h>

struct client;
struct resolvers;
TAILQ_HEAD(client_list, client);

/* A session on its worker. */
struct worker_session {
    LIST_ENTRY(worker_session) link;
    struct worker *worker;
    struct session *session;
    LIST_HEAD(, remote_listen) listens; /* the remote forwards it holds: worker/remote_forwards */
    struct session_table *table;
    int slot;
    uint32_t master;       /* that carries it, of the keeper's; 0: none, or one that was joined */
    uint64_t carried;      /* by its channels until the last tick, bytes both ways */
    uint64_t answers;      /* to keepalives, until the last tick */
    uint64_t rate;         /* KiB a second, decaying */
    unsigned active_ticks; /* ticks with traffic, less ticks without; see worker_sessions.c */
};

struct worker {
    unsigned index;
    struct workers *workers;
    uv_thread_t thread;
    struct loop *loop;
    struct mailbox *mailbox;
    struct client_list clients;
    struct client_list waiting; /* clients without a session, in the order they came; linked by
                                   their waiting_link */
    LIST_HEAD(, worker_session) sessions;
    LIST_HEAD(, agent_relay) agent_relays; /* client_shell.c */
    struct resolvers *resolvers;
    /* Addresses that another one of their name had to be tried beside, with their upstreams:
     * "office 192.0.2.1" (client_route.c). For ten minutes they are tried last. */
    struct fast_names *silent_addresses;
    struct credential_cache *credentials;
    struct service *service; /* what the keeper does for this worker */
    unsigned binds;          /* SOCKS BINDs under way */
    /* client_limits.c */
    LIST_HEAD(, abandoned_open) abandoned;
    unsigned refusing;     /* clients that are over a limit and are waited for, to be told */
    unsigned full_refused; /* since max_connections was logged */
    uint64_t full_told_at;
    /* held_bytes.c */
    _Atomic uint64_t held; /* as of the last look */
    unsigned ticks;
    unsigned held_cut; /* since that was logged */
    uint64_t held_told_at;
    struct metrics metrics;
    struct label_counts *label_counts;
    struct deadline tick;
    struct heartbeat heartbeat;
    bool stopping;
};

/* Serves a connection that this worker accepted on `listen` of the generation; as
 * worker_send_client, at once. */
void worker_accept(struct worker *worker, struct generation *generation,
                   const struct config_listen *listen, const struct accepted *connection);

/* The session of that slot; NULL: another worker has it, or it is not up any more. */
struct session *worker_session_at(struct worker *worker, struct session_table *table, int slot);

/* held_bytes.c: counts what is held for clients that do not read, and cuts some of them if that is
 * too much. Takes time for each client. */
void worker_check_held(struct worker *worker);

/* client_shell.c: connections of servers to forwarded agents are cut. */
void agent_relays_end(struct worker *worker);

/* worker_sessions.c: all sessions, or those of one table, are asked whether their servers live
 * (session_probe, session_check); all sessions end. */
void worker_probe_sessions(struct worker *worker);
void worker_check_sessions(struct worker *worker, const struct session_table *table);
void worker_end_sessions(struct worker *worker);

#endif

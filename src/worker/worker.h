/* A worker: one thread, one loop, its clients, its sessions, its resolvers. What other threads may
 * do to it is to send it messages; each function under "from any thread" is one. */
#ifndef ADIT_WORKER_WORKER_H
#define ADIT_WORKER_WORKER_H

#include "shared/generation.h"
#include "shared/heartbeat.h"
#include "shared/metrics.h"
#include "io/mailbox.h"
#include "policy/users.h"
#include "session/session.h"

struct client;
struct names;
struct worker;
TAILQ_HEAD(client_list, client);

/* What all threads of a gateway share. */
struct workers {
    struct mailbox *main_mailbox; /* the main thread's */
    struct worker **all;          /* all of them */
    unsigned count;
    atomic_uint clients; /* connections under way, wherever they are */
    atomic_ullong
        serial; /* of the generation that connections come in by; all accept duties were told */
    atomic_bool draining;
    void (*client_gone)(
        struct workers *workers); /* called by a worker whenever one ends while draining */
};

/* A session on its worker. */
struct worker_session {
    LIST_ENTRY(worker_session) link;
    struct worker *worker;
    struct session *session;
    LIST_HEAD(, remote) remotes; /* the forwards it holds: worker/remote_forwards */
    struct session_table *table;
    int slot;
    uint64_t carried; /* by its channels until the last tick, bytes both ways */
    uint64_t rate;    /* KiB a second, decaying */
    unsigned
        active_ticks; /* ticks in which something was carried, less those in which nothing was */
};

struct worker {
    unsigned index;
    struct workers *workers;
    uv_thread_t thread;
    struct loop *loop;
    struct mailbox *mailbox;
    struct client_list clients;
    struct client_list
        waiting; /* those without a session, by arrival; linked by their waiting_link */
    LIST_HEAD(, worker_session) sessions;
    struct names *names;
    struct credential_cache *credentials;
    unsigned binds; /* SOCKS BINDs under way */
    struct metrics metrics;
    struct deadline tick;
    struct heartbeat heartbeat;
    bool stopping;
};

/* Before its thread runs; NULL: no descriptors for its loop. */
struct worker *worker_new(struct workers *workers, unsigned index);
void worker_start(struct worker *worker);
/* Once its thread was told to stop: joins it. False: it had not ended by `until` (CLOCK_REALTIME).
 */
bool worker_join(struct worker *worker, const struct timespec *until);
/* Once all threads that post are gone. */
void worker_free(struct worker *worker);

/* From any thread. */

/* A connection that was accepted on `listen` of the generation (referenced anew); takes `fd`.
 * `peer` NULL: a unix socket. */
void worker_send_client(struct worker *worker, struct generation *generation,
                        const struct config_listen *listen, int fd, const struct ip *peer,
                        uint16_t peer_port);

/* A new session for a slot of the session table; takes `logged_in`. The pool hears of it by
 * pool_tell_up, or pool_tell_lost. */
void worker_send_session(struct worker *worker, struct session_table *table, int slot,
                         struct logged_in *logged_in, const struct config_upstream *upstream);

/* A connection that was counted has ended. */
void workers_client_gone(struct workers *workers);

/* To every worker: the session table has a session (more): clients that wait try again. */
void workers_send_session_up(struct workers *workers, struct session_table *table);

/* To every worker: the machine slept, or the network changed: ask all sessions at once whether they
 * live. */
void workers_send_probe(struct workers *workers);

/* To every worker: forget looked-up names. */
void workers_send_flush(struct workers *workers);

/* Its heartbeat gets an answer as soon as its loop turns. */
void worker_send_beat(struct worker *worker);

/* Ends: clients are cut, sessions closed, the loop stops. */
void worker_send_stop(struct worker *worker);

/* On the worker's own thread. */

/* As worker_send_client, at once. */
void worker_accept(struct worker *worker, struct generation *generation,
                   const struct config_listen *listen, int fd, const struct ip *peer,
                   uint16_t peer_port);

/* Its session of that slot, or NULL when it is not its own or not up any more. */
struct session *worker_session_at(struct worker *worker, struct session_table *table, int slot);

#endif

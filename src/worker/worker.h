/* The room worker/ knows clients, and the sessions and resolvers of one worker. Its code runs on
 * that worker's thread; the main thread (gateway/) calls what is in this header.
 *
 * A worker is one thread with one loop: it accepts connections, serves clients, drives the sessions
 * that were given to it, and resolves names. This header is all that other threads see of it: the
 * main thread makes and ends workers and sends them messages. Functions under "messages" may be
 * called on any thread; what they are given is referenced or copied, and each is done on the
 * worker's thread in the order the messages were sent. */
#ifndef ADIT_WORKER_WORKER_H
#define ADIT_WORKER_WORKER_H

#include "io/acceptor.h"
#include "shared/generation.h"
#include "shared/heartbeat.h"
#include "shared/internal_connection.h"
#include "shared/label_counts.h"
#include "shared/metrics.h"
#include "shared/workers.h"

#include <time.h>

struct accept_duty;
struct forwards;
struct worker;

/* Before its thread runs; NULL: no descriptors for its loop. */
struct worker *worker_new(struct workers *workers, unsigned index);
void worker_start(struct worker *worker);
/* Joins its thread, after worker_send_stop. False: it had not ended by `until` (CLOCK_REALTIME). */
bool worker_join(struct worker *worker, const struct timespec *until);
/* After all threads that send messages have ended. */
void worker_free(struct worker *worker);

/* Whether its loop turns: the main thread asks with heartbeat_tick and worker_send_beat. */
struct heartbeat *worker_heartbeat(struct worker *worker);
/* Written by the worker, read by anybody. */
const struct metrics *worker_metrics(const struct worker *worker);
struct label_counts *worker_label_counts(const struct worker *worker);
/* Bytes that it held, at its last look, for clients that do not read. */
uint64_t worker_held(const struct worker *worker);

/* Messages. */

/* A connection that was accepted on `listen` of the generation; takes its descriptor. */
void worker_send_client(struct worker *worker, struct generation *generation,
                        const struct config_listen *listen, const struct accepted *connection);

/* A connection of adit's own (main thread only), to the worker that has a session of its upstream;
 * takes `fd`. `answered` and `ended` of the request are called on the main thread, never from
 * inside this call. */
struct internal_connection *workers_send_internal(struct workers *workers,
                                                  struct generation *generation,
                                                  const struct internal_request *request, int fd);

/* A new session for a slot of the session table; takes `logged_in`. The main thread is told
 * session_up or session_lost. */
void worker_send_session(struct worker *worker, struct session_table *table, int slot,
                         struct logged_in *logged_in, const struct config_upstream *upstream);

/* To every worker: the session table has one more session; clients that wait for one try again. */
void workers_send_session_up(struct workers *workers, struct session_table *table);

/* To every worker: the machine slept, or the network changed: all sessions are asked at once
 * whether their servers live. */
void workers_send_probe(struct workers *workers);

/* To every worker: a session of that table is overdue, so that the others are asked for a sign of
 * life. */
void workers_send_check(struct workers *workers, struct session_table *table);

/* To every worker: forget looked-up names. */
void workers_send_flush(struct workers *workers);

/* To every worker: an ssh(1) that is served was cut, or its terminal has another size
 * (shared/internal_stream). */
void workers_send_stream_news(struct workers *workers);

/* To every worker: adit drains, or a newer generation is in use: clients without a request end. */
void workers_send_end_idle(struct workers *workers);

/* The worker's heartbeat is answered as soon as its loop turns. */
void worker_send_beat(struct worker *worker);

/* The worker ends: clients are cut, sessions closed, the loop stops. */
void worker_send_stop(struct worker *worker);

/* Accept duties: a worker accepts what comes to a listening socket on its own loop, and serves it
 * or hands it on to the worker whose session would be chosen. worker/accept_duty.c. */

/* `worker` accepts what comes to `listener`, for `listen` of the generation. The accept duty is
 * valid until accept_duty_recall. */
struct accept_duty *accept_duty_send(struct worker *worker, struct listener *listener,
                                     struct generation *generation,
                                     const struct config_listen *listen);

/* Connections that come from now on belong to `listen` of another generation: as soon as that
 * generation's serial is in workers->serial, which is set when all accept duties were told. */
void accept_duty_change(struct accept_duty *duty, struct generation *generation,
                        const struct config_listen *listen);

/* Ends it, before the worker is told to stop: the worker accepts no more there, lets go of the
 * listener, and frees the accept duty. NULL is fine. */
void accept_duty_recall(struct accept_duty *duty);

/* Remote forwards: the worker whose session holds one asks the server to listen, and serves the
 * connections that come by it. worker/remote_forwards.c. */

/* A forward that the session of a slot is to hold, or to go on holding as this generation has it.
 */
struct listen_order {
    struct forwards *forwards; /* the main thread's, for main_events.listen_answered */
    uint64_t number;           /* the same one for all orders about the same listening */
    struct session_table *table;
    int slot;
    struct generation *generation;
    const struct config_forward *forward; /* of the generation */
    bool again; /* only a change: a forward that the server has refused by now is not asked for */
};

/* The address to listen on as the server is told it (RFC 4254 section 7.1, ssh(1) -R). */
const char *listen_order_bind(const struct config_forward *forward);

/* main_events.listen_answered follows the first order of a number, unless the session is lost
 * before. */
void worker_send_listen(struct worker *worker, const struct listen_order *order);
void worker_send_listen_end(struct worker *worker, uint64_t number);

#endif

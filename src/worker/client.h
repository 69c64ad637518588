/* A client: one connection from its first byte to its access line. Every client has a number, which
 * stands in each line of the log about it. A client belongs to its worker's thread, and may move to
 * another worker before its channel is asked for. */
#ifndef ADIT_WORKER_CLIENT_H
#define ADIT_WORKER_CLIENT_H

#include "shared/internal_connection.h"
#include "worker/worker_parts.h"

/* A client for a connection that was accepted on `listen` of the generation. The generation is
 * referenced, and the connection's descriptor taken, also where no client can be made. The caller
 * has counted the connection in workers->clients. */
void client_new(struct worker *worker, struct generation *generation,
                const struct config_listen *listen, const struct accepted *connection);

/* A client for an internal connection. `fd` is one end of a socketpair, whose other end is the
 * owner's; it is taken on success. The owner gives up by closing its end, and half-closes only
 * after the answer. The request is copied, and its strings are not kept. False: the kernel would
 * not poll the descriptor, and nothing of the request is called. */
bool client_new_internal(struct worker *worker, struct generation *generation,
                         const struct internal_request *request, int fd);

/* A connection that came in at the far side by a remote forward. */
struct forwarded_connection {
    const struct config_forward *forward; /* of the generation */
    int slot;                             /* of the session that the connection came by */
    struct forwarded_open *open;          /* the client answers it */
    const char *origin; /* where the connection came from, in the server's words */
    uint16_t origin_port;
};

/* A client for a forwarded connection, on the worker's thread. The generation is referenced. */
void client_new_forwarded(struct worker *worker, struct generation *generation,
                          const struct forwarded_connection *connection);

/* The session table of a client of worker->waiting has a session: the client tries again. */
void client_retry(struct client *client);

/* The session table of a client, and the client behind it in worker->waiting. */
struct session_table *client_table(const struct client *client);
struct client *client_next_waiting(const struct client *client);

/* The server of the worker's session in that slot has become overdue: clients whose channels it is
 * asked for are told, and ask on another session if there is one. */
void clients_session_overdue(struct worker *worker, const struct session_table *table, int slot);

/* Ends the worker's clients that wait for their next HTTP request and may not do so any longer:
 * adit drains, or their configuration is not the newest one. */
void clients_end_idle(struct worker *worker);

/* Clients that wait for an overdue server, and can ask on another session by now, do so. */
void clients_look_elsewhere(struct worker *worker);

/* Streams of ssh(1) were cut, or have terminals of another size. */
void clients_stream_news(struct worker *worker);

/* Cuts the client, whatever its state, and ends it; `why` is for the access line. */
void client_abort(struct client *client, const char *why);

/* The worker ends: what its clients have asked servers for and given up counts for no limit more.
 */
void clients_forget_abandoned(struct worker *worker);

#endif

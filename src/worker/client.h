/* One connection that came in, from its first byte to its access line. On its worker's thread. */
#ifndef ADIT_WORKER_CLIENT_H
#define ADIT_WORKER_CLIENT_H

#include "shared/internal_connection.h"
#include "worker/worker_parts.h"

/* A connection that was accepted on `listen` of the generation, which is referenced; the caller has
 * counted it in workers->clients. Takes its descriptor. */
void client_new(struct worker *worker, struct generation *generation,
                const struct config_listen *listen, const struct accepted *connection);

/* A connection of our own: `fd` (taken on success) is one end of a socketpair, whose other end is
 * its owner's. The owner gives up by closing his end, and half-closes only once it was answered.
 * The internal connection is copied. False: the kernel would not poll it, and nobody is called. */
bool client_new_internal(struct worker *worker, struct generation *generation,
                         const struct internal_request *request, int fd);

/* A connection that came in at the far side by a remote forward of the generation (referenced), to
 * be answered; `slot` is its session's. `origin` is where it came from, in the server's words. */
void client_new_forwarded(struct worker *worker, struct generation *generation,
                          const struct config_forward *forward, int slot,
                          struct forwarded_open *forwarded, const char *origin,
                          uint16_t origin_port);

/* For one of worker->waiting whose session table has a session now. */
void client_retry(struct client *client);

/* The session table whose session it waits for, and who waits behind it. */
struct session_table *client_table(const struct client *client);
struct client *client_next_waiting(const struct client *client);

/* Cuts it, whatever it does. */
void client_abort(struct client *client, const char *why);

#endif

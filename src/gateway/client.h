/* One connection that came in, from its first byte to its access line. On its worker's thread. */
#ifndef ADIT_GATEWAY_CLIENT_H
#define ADIT_GATEWAY_CLIENT_H

#include "gateway/worker.h"

/* A connection accepted on `listen` (of the generation, which is referenced); takes `fd`. `peer`
 * NULL: a unix socket. */
void client_new(struct worker *worker, struct generation *generation,
                const struct config_listen *listen, int fd, const struct ip *peer,
                uint16_t peer_port);

/* A connection of our own, already asked for: `fd` (taken on success) shall lead to `server`:`port`
 * through the upstream `via`. False: the kernel would not poll it. */
bool client_new_internal(struct worker *worker, struct generation *generation, const char *via,
                         int fd, const struct ip *server, uint16_t port);

/* For one of worker->waiting whose board has a session now. */
void client_retry(struct client *client);

/* The board whose session it waits for, and who waits behind it. */
struct board *client_board(const struct client *client);
struct client *client_next_waiting(const struct client *client);

/* Cuts it, whatever it does. */
void client_abort(struct client *client, const char *why);

#endif

/* All the sockets that are listened on, through reloads. Main thread only. */
#ifndef ADIT_GATEWAY_LISTENERS_H
#define ADIT_GATEWAY_LISTENERS_H

#include "conf/config.h"
#include "io/loop.h"

struct listeners;

/* None yet. `accepted` gets each connection (`fd` is the callee's) with the [listen] section it
 * came by, of the configuration last given. */
struct listeners *listeners_new(struct loop *loop,
                                void (*accepted)(void *arg, const struct config_listen *listen,
                                                 int fd, const struct ip *peer, uint16_t peer_port),
                                void *arg);

/* Listens on what `config` says: addresses that were there before stay as they are, new ones are
 * opened, others closed. False: one could not be opened (each is logged), and nothing was changed.
 * The configuration must live until the next change. */
bool listeners_change(struct listeners *listeners, const struct config *config);

/* Closes them all. */
void listeners_close(struct listeners *listeners);

/* NULL is fine. */
void listeners_free(struct listeners *listeners);

#endif

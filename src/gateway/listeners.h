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
 * opened, others closed. False: nothing was changed, as something could not be opened; `error` says
 * what, and if there was more, that is logged. The configuration must live until the next change.
 *
 * What is optional may be missing on a machine without IPv6, and a forward that listens in two
 * families does with the one that the machine has. On a command line, where ssh goes on without a
 * forward (ExitOnForwardFailure no), one that cannot be had is a warning, as long as something else
 * is. */
#define LISTENERS_ERROR_MAX 512
bool listeners_change(struct listeners *listeners, const struct config *config,
                      char error[static LISTENERS_ERROR_MAX]);

/* Calls `each` for every address that is listened on, as listener_name has it. */
void listeners_each(const struct listeners *listeners,
                    void (*each)(void *arg, const struct config_listen *listen,
                                 const char *address),
                    void *arg);

/* Closes them all. */
void listeners_close(struct listeners *listeners);

/* NULL is fine. */
void listeners_free(struct listeners *listeners);

#endif

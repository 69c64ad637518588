/* All sockets that are listened on, kept through reloads, and which worker accepts at each. Main
 * thread only; the accepting itself is done by worker/accept_duty. */
#ifndef ADIT_GATEWAY_LISTENERS_H
#define ADIT_GATEWAY_LISTENERS_H

#include "worker/worker.h"

struct listeners;

/* None yet. */
struct listeners *listeners_new(struct workers *workers);

/* Listens at the sockets of `config`, and takes over the new ones among them, whose `listener`
 * becomes NULL; sockets that are not among them are closed. The configuration must live until the
 * next change. Who connects to a new one waits until listeners_assign; to one that is closed nobody
 * can connect any more when this returns. */
void listeners_change(struct listeners *listeners, const struct config *config,
                      struct given_socket *given, size_t count);

/* Has each address accepted on by the worker that should, with the generation of the configuration
 * last given: to be called once that is there, and whenever sessions may have come or gone. Nothing
 * is done about an address where all is as it should be. When this returns nobody comes in by an
 * earlier generation any more. */
void listeners_assign(struct listeners *listeners, struct generation *generation);

/* Calls `each` for every address that is listened on, as listener_name has it. */
void listeners_each(const struct listeners *listeners,
                    void (*each)(void *arg, const struct config_listen *listen,
                                 const char *address),
                    void *arg);

/* They will be closed without being shut down, as another process listens there. */
void listeners_leave(struct listeners *listeners);

/* Closes them all, before the workers are told to stop: no client can connect any more when this
 * returns. */
void listeners_close(struct listeners *listeners);

/* NULL is fine. */
void listeners_free(struct listeners *listeners);

#endif

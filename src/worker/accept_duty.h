/* A worker's part of a listen socket: it accepts there by itself, on its own loop, and serves whom
 * it lets in, or hands him on to the worker that should. Ordered about by the main thread; each
 * function is a message to the worker, and those of one accept duty arrive in the order they were
 * sent. */
#ifndef ADIT_WORKER_ACCEPT_DUTY_H
#define ADIT_WORKER_ACCEPT_DUTY_H

#include "worker/worker.h"
#include "io/listener.h"

struct accept_duty;

/* Has `worker` accept what comes to `listener` (referenced), for `listen` of the generation
 * (referenced). The accept duty is valid until accept_duty_recall. */
struct accept_duty *accept_duty_send(struct worker *worker, struct listener *listener,
                                     struct generation *generation,
                                     const struct config_listen *listen);

/* Who comes from now on comes by `listen` of another generation (referenced): once its serial is
 * the workers', which is to be said when all accept duties have been told. */
void accept_duty_change(struct accept_duty *duty, struct generation *generation,
                        const struct config_listen *listen);

/* Ends it, before the worker is told to stop: the worker accepts no more there, lets go of the
 * listener, and frees the accept duty. NULL is fine. */
void accept_duty_recall(struct accept_duty *duty);

#endif

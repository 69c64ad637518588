/* A worker's part of a door: it accepts there by itself, on its own loop, and serves whom it lets
 * in, or hands him on to the worker that should. Ordered about by the main thread; each function is
 * a message to the worker, and those of one porter arrive in the order they were sent. */
#ifndef ADIT_GATEWAY_PORTER_H
#define ADIT_GATEWAY_PORTER_H

#include "worker/worker.h"
#include "io/listener.h"

struct porter;

/* Has `worker` accept what comes to `listener` (referenced), for `listen` of the generation
 * (referenced). The porter is valid until porter_recall. */
struct porter *porter_send(struct worker *worker, struct listener *listener,
                           struct generation *generation, const struct config_listen *listen);

/* Who comes from now on comes by `listen` of another generation (referenced): once its serial is
 * the crew's, which is to be said when all porters have been told. */
void porter_change(struct porter *porter, struct generation *generation,
                   const struct config_listen *listen);

/* Ends it, before the worker is told to stop: the worker accepts no more there, lets go of the
 * listener, and frees the porter. NULL is fine. */
void porter_recall(struct porter *porter);

#endif

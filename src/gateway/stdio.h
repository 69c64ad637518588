/* ssh's -W: standard input and output become one connection through an upstream. Main thread only.
 */
#ifndef ADIT_GATEWAY_STDIO_H
#define ADIT_GATEWAY_STDIO_H

#include "worker/worker.h"

struct stdio;

/* Begins. `done` is called once: with NULL when the connection has ended in order and all of it was
 * written out, or when nobody reads our output any more; else with a sentence. Never from inside
 * this call. */
struct stdio *stdio_start(struct loop *loop, struct workers *workers, struct generation *generation,
                          const char *via, const struct config_place *to,
                          void (*done)(void *arg, const char *failed), void *arg);

/* `done` will not be called. NULL is fine. */
void stdio_free(struct stdio *stdio);

#endif

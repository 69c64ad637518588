/* ssh's -W: standard input and output become one connection through an upstream. Main thread only.
 */
#ifndef ADIT_GATEWAY_STDIO_H
#define ADIT_GATEWAY_STDIO_H

#include "worker/worker.h"

struct stdio;

struct stdio_request {
    struct loop *loop;
    struct workers *workers;
    struct generation *generation; /* (referenced while it is needed) */
    const char *via;               /* the upstream */
    const struct config_place *to;
    /* Called once, never from inside stdio_start: with NULL when the connection has ended in order
     * and all of it was written out, or when standard output was closed by its reader; else with a
     * sentence. */
    void (*done)(void *arg, const char *failed);
    void *arg;
};

struct stdio *stdio_start(const struct stdio_request *request);

/* `done` will not be called. NULL is fine. */
void stdio_free(struct stdio *stdio);

#endif

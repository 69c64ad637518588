/* Remote forwards on the worker whose session holds them: what the server is asked to listen on,
 * and the clients that come in by it. */
#ifndef ADIT_WORKER_REMOTE_FORWARDS_H
#define ADIT_WORKER_REMOTE_FORWARDS_H

#include "shared/generation.h"
#include "worker/worker.h"

struct forwards;

/* A forward that the session of a slot shall hold, or go on holding as this generation has it. */
struct remote_order {
    struct forwards *forwards; /* the main thread's, to be told what the server answers */
    uint64_t number;           /* the same one for all orders about the same listening */
    struct session_table *table;
    int slot;
    struct generation *generation;
    const struct config_forward *forward; /* of the generation */
    bool again; /* no more than a change: what the server has refused by now is not asked for */
};

/* The address to listen on as the server has to be told it (RFC 4254 section 7.1, ssh(1) -R). */
const char *remote_bind(const struct config_forward *forward);

/* From any thread; what they name is referenced anew. forwards_tell answers the first order of a
 * number, unless the session is lost before. */
void remote_send(struct worker *worker, const struct remote_order *order);
void remote_cancel(struct worker *worker, uint64_t number);

/* On the worker's thread: the session ends, and what it holds is forgotten. */
void remote_end_all(struct worker_session *ws);

#endif

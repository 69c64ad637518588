/* A worker's resolvers: this machine's, and one for each upstream that DNS goes through. */
#ifndef ADIT_WORKER_RESOLVERS_H
#define ADIT_WORKER_RESOLVERS_H

#include "shared/generation.h"
#include "io/resolver.h"

struct resolvers;
struct worker;

struct resolvers *resolvers_new(struct worker *worker);
void resolvers_free(struct resolvers *resolvers);

/* The resolver for a step of [resolve] order: RESOLVE_LOCAL, or RESOLVE_TUNNEL through the upstream
 * `via` of the generation. NULL: it could not be started (logged). Belongs to `resolvers`. */
struct resolver *resolvers_get(struct resolvers *resolvers, struct generation *generation,
                               enum resolve_step step, const char *via);

/* Forgets all answers. A tunnel resolver without look-ups is freed, so that it does not keep its
 * generation. */
void resolvers_flush(struct resolvers *resolvers);

/* Puts the resolvers' counts into the worker's metrics. */
void resolvers_publish(struct resolvers *resolvers);

#endif

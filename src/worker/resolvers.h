/* A worker's resolvers: this machine's, and one for each upstream that DNS goes through. */
#ifndef ADIT_WORKER_RESOLVERS_H
#define ADIT_WORKER_RESOLVERS_H

#include "shared/generation.h"
#include "io/resolver.h"

struct names;
struct worker;

struct names *names_new(struct worker *worker);
void names_free(struct names *names);

/* The resolver for a step of [resolve] order: RESOLVE_LOCAL, or RESOLVE_TUNNEL through the upstream
 * `via` of the generation. NULL: it could not be started (logged). Belongs to `names`. */
struct resolver *names_resolver(struct names *names, struct generation *generation,
                                enum resolve_step step, const char *via);

/* Forgets all answers, and the resolvers of generations that are gone. */
void names_flush(struct names *names);

/* Puts the resolvers' counts into the worker's metrics. */
void names_count(struct names *names);

#endif

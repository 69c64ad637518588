/* A configuration with the session tables of its upstreams: what a client holds on to from its
 * first byte to its last, so that a reload never changes a connection under way. Immutable, counted
 * atomically. */
#ifndef ADIT_SHARED_GENERATION_H
#define ADIT_SHARED_GENERATION_H

#include "conf/config.h"
#include "shared/session_table.h"

struct generation {
    atomic_uint references;
    uint64_t serial; /* tells the users files of different loads apart */
    struct config *config;
    struct session_table **tables; /* one for each config->upstreams */
};

/* Takes the reference to `config`; `tables` (config->upstream_count of them) are referenced anew.
 */
struct generation *generation_new(struct config *config, struct session_table *const *tables);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);

/* The upstream of that name, which exists: conf/check saw to it. */
const struct config_upstream *generation_upstream(const struct generation *generation,
                                                  const char *name, struct session_table **table);

#endif

/* A configuration with the session tables of its upstreams. A client references the generation that
 * it came by until it ends, so that a reload never changes a connection under way. Immutable, but
 * for its atomic reference count. */
#ifndef ADIT_SHARED_GENERATION_H
#define ADIT_SHARED_GENERATION_H

#include "conf/config.h"
#include "shared/session_table.h"

struct generation {
    atomic_uint references;
    uint64_t serial; /* greater for each newer generation */
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

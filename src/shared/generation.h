/* A configuration with the session tables of its upstreams. A client references the generation that
 * it came by until it ends, so that a reload never changes a connection under way. Immutable, but
 * for its atomic reference count. */
#ifndef ADIT_SHARED_GENERATION_H
#define ADIT_SHARED_GENERATION_H

#include "conf/config.h"
#include "shared/session_table.h"

struct label_names;

struct generation {
    atomic_uint references;
    uint64_t serial; /* greater for each newer generation */
    struct config *config;
    struct session_table **tables; /* one for each config->upstreams */
    uint16_t *labels;              /* of config->listens, then of config->forwards */
    uint16_t *limit_labels;        /* of config->limits, then of the defaults */
};

/* Takes the reference to `config`; `tables` (config->upstream_count of them) are referenced anew.
 * `names` gives its listeners, forwards and limits their labels (shared/label_counts); NULL:
 * LABEL_NONE. */
struct generation *generation_new(struct config *config, struct session_table *const *tables,
                                  struct label_names *names);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);

/* The label of one of its listeners, be it a forward's. */
uint16_t generation_label(const struct generation *generation, const struct config_listen *listen);

/* The label of one of its limits, or of the one of defaults (config_limit_for). */
uint16_t generation_limit_label(const struct generation *generation,
                                const struct config_limit *limit);

/* The upstream of that name, which exists: conf/check saw to it. */
const struct config_upstream *generation_upstream(const struct generation *generation,
                                                  const char *name, struct session_table **table);

#endif

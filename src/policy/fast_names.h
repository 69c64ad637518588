/* Remembers the names to which a server connected quickly a short time ago, because it has them in
 * its resolver cache. Any thread. */
#ifndef ADIT_POLICY_FAST_NAMES_H
#define ADIT_POLICY_FAST_NAMES_H

#include <stdbool.h>
#include <stdint.h>

struct fast_names;

struct fast_names *fast_names_new(void);
void fast_names_free(struct fast_names *names);

/* Adds a name. `now_ms` is the time of one clock that does not go backwards. When there are many
 * names, some are forgotten early. */
void fast_names_add(struct fast_names *names, const char *name, uint64_t now_ms);

/* Whether the name was added in the last ten minutes. (A name that never was is mistaken for one
 * with a probability of 2^-40.) */
bool fast_names_has(const struct fast_names *names, const char *name, uint64_t now_ms);

#endif

/* Names that a server was quick to connect to not long ago: it will be again. Safe from any thread.
 */
#ifndef ADIT_POLICY_FAST_NAMES_H
#define ADIT_POLICY_FAST_NAMES_H

#include <stdbool.h>
#include <stdint.h>

struct fast_names;

struct fast_names *fast_names_new(void);
void fast_names_free(struct fast_names *names);

/* `now_ms` is of one clock that does not go backwards. Of many names some are forgotten early. */
void fast_names_add(struct fast_names *names, const char *name, uint64_t now_ms);

/* Whether it was added in the last ten minutes. (One in 2^40 that never were is taken for one
 * that was.) */
bool fast_names_has(const struct fast_names *names, const char *name, uint64_t now_ms);

#endif

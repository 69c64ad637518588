/* What the log says of an upstream while it fails: the first failure of each kind at once, repeats
 * folded into a count once a minute, and the end of the trouble at the level of its beginning, with
 * how long it took. It begins with the first session that is lost or dial that fails, and ends when
 * a session is up. Main thread only. */
#ifndef ADIT_GATEWAY_TROUBLE_H
#define ADIT_GATEWAY_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

/* How long a failure is not told again while it repeats. */
#define TROUBLE_REPEATS_MS 60000

struct trouble;

/* For an upstream's pool, which frees it. `name` is the upstream's, copied. */
struct trouble *trouble_new(const char *name);
void trouble_free(struct trouble *trouble);

/* A session was lost, at `now` (loop_now's milliseconds); the pool logs why. `waited` is how many
 * clients have ever begun to wait for a session of the upstream. */
void trouble_lost(struct trouble *trouble, uint64_t now, unsigned waited);

/* A dial of `place` has failed. Logs that as a warning, unless it is a repeat. Returns whether this
 * was the first of its kind. */
bool trouble_dial_failed(struct trouble *trouble, uint64_t now, unsigned waited, const char *place,
                         const char *error);

/* `up` sessions are up. If there was trouble, logs its end as a warning: how long it took, how many
 * dials failed meanwhile, and how many clients waited. */
void trouble_over(struct trouble *trouble, uint64_t now, unsigned waited, unsigned up);

#endif

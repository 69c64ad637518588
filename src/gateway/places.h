/* The hosts of an upstream: where each is, how many sessions it has, and which is dialled next.
 * Main thread only. */
#ifndef ADIT_GATEWAY_PLACES_H
#define ADIT_GATEWAY_PLACES_H

#include "conf/upstream_host.h"
#include "gateway/host_backoff.h"

/* One of an upstream's hosts. */
struct place {
    struct upstream_host at;
    size_t index;                  /* of its entry in the upstream's hosts */
    char label[HOSTPORT_TEXT_MAX]; /* for the log: the name, and the port unless it is 22 */
    struct host_backoff *host;
    unsigned sessions; /* up, retiring or being dialled */
};

struct places {
    struct place **items;
    size_t count;
};

/* Those of an upstream, whose dials wait by the records of `hosts`. */
void places_init(struct places *places, struct host_backoffs *hosts,
                 const struct config_upstream *upstream);
void places_clear(struct places *places);

/* The host to dial next: among those that may be dialled now, the one with the fewest sessions.
 * NULL: none may; `*wait` is then the time until one may (UINT64_MAX: a dial is under way).
 * `wanted`: clients wait. */
struct place *places_choose(const struct places *places, uint64_t now, bool wanted, uint64_t *wait);

/* Whether the last dial of each failed for a cause that only a person can mend. */
bool places_need_person(const struct places *places);

/* Whether each login at one of them asks a person. */
bool places_are_asking(const struct places *places);

/* host_backoff_retry_now, and host_backoff_forget, of each. */
void places_retry_now(const struct places *places);
void places_forget_waits(const struct places *places);

#endif

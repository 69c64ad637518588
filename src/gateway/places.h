/* The hosts of an upstream: where each is, how many sessions it has, and which is dialled next.
 * They are those of the configuration, or come and go with SRV records. Main thread only. */
#ifndef ADIT_GATEWAY_PLACES_H
#define ADIT_GATEWAY_PLACES_H

#include "conf/upstream_host.h"
#include "gateway/host_backoff.h"
#include "policy/targets.h"

/* One of an upstream's hosts. */
struct place {
    struct upstream_host at;
    char *entry;                   /* as the keeper is told it: upstream_host_find */
    char label[HOSTPORT_TEXT_MAX]; /* for the log: the name, and the port unless it is 22 */
    struct host_backoff *host;
    uint16_t priority; /* of SRV records; else all are alike */
    uint16_t weight;
    unsigned luck;     /* what one more session there weighs, in thousandths, beside those that it
                          has: by chance, where SRV records name it */
    unsigned sessions; /* up or being dialled ... */
    unsigned retiring; /* ... and those that take nothing new */
    bool gone;         /* SRV records name it no more: it is freed with its last session */
};

struct places {
    struct place **items; /* in the order of the configuration, or of priority */
    size_t count;
    struct host_backoffs *hosts;
    bool quiet; /* changes are not logged */
};

/* Those of the upstream's configuration, whose dials wait by the records of `hosts`; none yet where
 * SRV records name them. */
void places_init(struct places *places, struct host_backoffs *hosts,
                 const struct config_upstream *upstream);
/* Also forgets those that are gone and are still referred to; see places_release. */
void places_clear(struct places *places);

/* The hosts are these from now on (targets_order). Those that are not among them are `gone`, and
 * freed at once if they have no session. Each change is logged. */
void places_change(struct places *places, const struct config_upstream *upstream,
                   const struct target *targets, size_t count);

/* A session there has ended (it was counted in `retiring`, or in `sessions`): the host is freed if
 * it is gone and was the last one's. */
void places_release(struct places *places, struct place *place, bool retiring);

/* The host to dial next. Of those of the lowest priority that are not down, and may be dialled now:
 * the one with the fewest sessions for its weight. Where all are down, one of them whose wait is
 * over. NULL: none may be dialled; `*wait` is then the time until one may (UINT64_MAX: a dial is
 * under way, or there is no host). `wanted`: clients wait. */
struct place *places_choose(const struct places *places, uint64_t now, bool wanted, uint64_t *wait);

/* The host, which may be dialled now, where a session would be better than at places_worst of it:
 * of a lower priority, or with fewer for its weight even if it had one more. NULL: there is none.
 */
struct place *places_improve(const struct places *places, uint64_t now);

/* The host with sessions where one of them is worst, against one more at `to`; NULL: none is. */
struct place *places_worst(const struct places *places, const struct place *to);

/* Whether all are down. */
bool places_are_down(const struct places *places);

/* Whether there are any, and the last dial of each failed for a cause that only a person can mend.
 */
bool places_need_person(const struct places *places);

/* Whether each login at one of them asks a person. */
bool places_are_asking(const struct places *places);

/* host_backoff_retry_now, and host_backoff_forget, of each. */
void places_retry_now(const struct places *places);
void places_forget_waits(const struct places *places);

#endif

/* The hosts that SRV records name (RFC 2782): which names are taken, in which order the hosts are
 * used, and when the records are asked for again. Pure; any thread. */
#ifndef ADIT_POLICY_TARGETS_H
#define ADIT_POLICY_TARGETS_H

#include "base/hostport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one answer; more are left out, those of the highest priority number first. */
#define TARGETS_MAX 64

/* One SRV record. */
struct target {
    char name[HOST_MAX + 1]; /* without a dot at its end; "": the root, RFC 2782's "." */
    uint16_t port;
    uint16_t priority; /* hosts of the lowest number are used first */
    uint16_t weight;   /* their share among those of the same priority */
};

/* Why a name is refused, as the end of a sentence ("it is empty"); NULL: it is not. Taken are names
 * of hosts as RFC 952 and RFC 1123 section 2.1 have them, in labels of 1 to 63 letters, digits and
 * hyphens, and underscores, which some hosts' names have. An address is refused. The check is
 * strict because these names end up in messages, files of host keys and commands. */
const char *target_name_wrong(const char *name);

/* The same of a whole record, among others. */
const char *target_wrong(const struct target *target);

/* The same of the name that is asked for, "_SERVICE._PROTO.NAME". */
const char *target_service_wrong(const char *name);

/* Whether the answer says that there is no such service: its one record has the root as target. */
bool targets_say_none(const struct target *targets, size_t count);

/* Puts the targets in small letters and in order: by priority, by weight with the heaviest first,
 * by name and port. Of the records of one name and port the first one stays. Returns how many are
 * left, TARGETS_MAX at most. */
size_t targets_order(struct target *targets, size_t count);

/* Whether two ordered lists are the same; and the target of that name and port, or NULL. */
bool targets_equal(const struct target *a, size_t a_count, const struct target *b, size_t b_count);
const struct target *targets_find(const struct target *targets, size_t count, const char *name,
                                  uint16_t port);

/* How many milliseconds an answer with that time to live (seconds) counts: at least 5 s, at most an
 * hour. */
#define TARGETS_TTL_MIN_MS 5000
#define TARGETS_TTL_MAX_MS 3600000
uint64_t targets_ttl_ms(uint32_t ttl);

/* How much of the load of its priority a host of that weight bears, against others (RFC 2782: a
 * weight of 0 bears next to nothing, where others have one). */
uint64_t target_share(uint16_t weight);

#endif

/* SRV records (RFC 2782) of a name, by a resolver's servers. On the resolver's thread. */
#ifndef ADIT_IO_RESOLVER_SRV_H
#define ADIT_IO_RESOLVER_SRV_H

#include "io/resolver.h"
#include "policy/targets.h"

/* What a question came to. With RESOLVE_FOUND there is one target at least. */
struct srv_answer {
    enum resolve_status status;
    const struct target *targets; /* as they came, with any names; valid during the call */
    size_t count;
    uint32_t ttl;      /* seconds: the shortest of all records of the answer */
    const char *error; /* NULL when found; valid during the call */
};

typedef void srv_done_fn(void *arg, const struct srv_answer *answer);

struct srv_question; /* one under way */

/* Asks for the records of a name (as it is; no search domains, no hosts file, no cache). `done` is
 * called once, never from inside this call. */
struct srv_question *resolver_srv(struct resolver *resolver, const char *name, srv_done_fn *done,
                                  void *arg);

/* `done` will not be called. NULL is fine. */
void srv_question_cancel(struct srv_question *question);

/* Reads an answer of a DNS server (RFC 1035 section 4) to that question: the SRV records of class
 * IN in its answer section, 4 x TARGETS_MAX at most. -1: it is malformed. A name with a byte that
 * RFC 1035 section 5.1 escapes has the escape in it. Pure. */
int srv_read(const uint8_t *message, size_t length, struct target *targets, uint32_t *ttl);
#define SRV_RECORDS_MAX (4 * TARGETS_MAX)

#endif

/* The counts of all limits, which all workers share: tables of policy/limits in stripes, each under
 * a lock of its own. They outlive the configuration, so that a reload keeps what is counted: a
 * limit is known by its name. Any thread. */
#ifndef ADIT_SHARED_LIMIT_COUNTS_H
#define ADIT_SHARED_LIMIT_COUNTS_H

#include "policy/limits.h"

struct limit_counts;
struct limit_counts *limit_counts_new(void);
/* No claims are left. NULL is fine. */
void limit_counts_free(struct limit_counts *counts);

/* A place at which somebody counts; zeroed, it is none. */
struct limit_claim {
    struct limit_entry *entry; /* NULL: none */
    unsigned stripe;
};

/* A claim, which counts nothing yet; another one of the same; and its end. `now_ms` is loop_now's.
 */
struct limit_claim limit_claim_begin(struct limit_counts *counts, const struct limit_key *key);
struct limit_claim limit_claim_again(struct limit_counts *counts, const struct limit_claim *claim);
void limit_claim_end(struct limit_counts *counts, struct limit_claim *claim, uint64_t now_ms);

/* As the functions of policy/limits. */
bool limit_claim_is(struct limit_counts *counts, const struct limit_claim *claim,
                    const struct limit_key *key);
bool limit_claim_take(struct limit_counts *counts, const struct limit_claim *claim,
                      const struct limit_bounds *bounds, enum limit_what what);
void limit_claim_give(struct limit_counts *counts, const struct limit_claim *claim,
                      enum limit_what what);
bool limit_claim_take_fresh(struct limit_counts *counts, const struct limit_claim *claim,
                            const struct limit_bounds *bounds, uint64_t now_ms);
uint64_t limit_claim_reserve(struct limit_counts *counts, const struct limit_claim *claim,
                             const struct limit_bounds *bounds, int direction, size_t bytes,
                             uint64_t now_ms);
void limit_claim_return(struct limit_counts *counts, const struct limit_claim *claim,
                        const struct limit_bounds *bounds, int direction, size_t bytes);
unsigned limit_claim_refused(struct limit_counts *counts, const struct limit_claim *claim,
                             uint64_t now_ms);

#endif

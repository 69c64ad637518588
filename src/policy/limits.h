/* What one source, one user, or all clients of a limit may take: connections, logins that are not
 * done, unanswered opens, new connections a second, bytes a second. Pure: the caller gives the
 * time, and one thread uses a table at a time (shared/limit_counts has the locks). */
#ifndef ADIT_POLICY_LIMITS_H
#define ADIT_POLICY_LIMITS_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is counted together. */
enum limit_per { LIMIT_PER_SOURCE, LIMIT_PER_USER, LIMIT_PER_ALL };
#define LIMIT_PERS 3

/* What is counted up and down again. */
enum limit_what {
    LIMIT_CONNECTIONS,
    LIMIT_BEFORE_LOGIN, /* connections whose request, and its login, is not whole */
    LIMIT_OPENS,        /* channels that the server was asked for and has not answered */
};
#define LIMIT_WHATS 3

/* The bounds of one limit; 0: the default, which limit_bound gives, or none. */
struct limit_bounds {
    enum limit_per per;
    unsigned most[LIMIT_WHATS];
    unsigned fresh;    /* connections a second */
    uint64_t rate;     /* bytes a second, each way */
    uint64_t burst_ms; /* how much of `fresh` and `rate` may be saved up */
};

/* Defaults of LIMIT_PER_SOURCE. */
#define LIMIT_SOURCE_CONNECTIONS 1024
#define LIMIT_SOURCE_BEFORE_LOGIN 256
#define LIMIT_SOURCE_OPENS 64

/* How many there may be at a time; 0: there is no bound. */
unsigned limit_bound(const struct limit_bounds *bounds, enum limit_what what);

/* The name of what is counted together. */
struct limit_key {
    size_t length;
    uint8_t bytes[8 + 1 + 255];
};

/* Keys of the limit of that name: for a source (an IPv4 address, the /64 of an IPv6 address, or
 * with `ip` NULL all unix sockets), for a user (of whose name 255 bytes count), for all. */
struct limit_key limit_key_source(const char *limit, const struct ip *ip);
struct limit_key limit_key_user(const char *limit, const char *user);
struct limit_key limit_key_all(const char *limit);

/* A number for the source that limit_key_source counts such an address for. */
uint64_t limit_source_hash(const struct ip *ip);

/* A token bucket, as the time at which it is full again (the virtual scheduling of ITU-T I.371,
 * "GCRA"): in nanoseconds of the caller's clock. Zeroed, it is full. */
struct token_bucket {
    uint64_t full_at;
};

/* Takes what takes `cost` nanoseconds to come again, if the bucket, which holds `burst`, has it; a
 * bucket that is full has it whatever it costs. */
bool token_bucket_take(struct token_bucket *bucket, uint64_t now, uint64_t cost, uint64_t burst);

/* Takes it in any case, and returns after how many nanoseconds it will have come: 0: now. Those
 * that take in turn share fairly what comes. */
uint64_t token_bucket_reserve(struct token_bucket *bucket, uint64_t now, uint64_t cost,
                              uint64_t burst);

/* Counts by key. An entry lasts while it is referenced; then, while it still has something to
 * remember, as one of at most `idle_max` in the table, of which the oldest are forgotten. `seed`
 * keeps those who choose keys from choosing what a look-up costs. */
struct limit_table;
struct limit_entry;
struct limit_table *limit_table_new(uint64_t seed, size_t idle_max);
void limit_table_free(struct limit_table *table);

/* How many entries there are. */
size_t limit_table_size(const struct limit_table *table);

/* The entry of a key, with one reference more; and one reference less, at `now` in milliseconds. */
struct limit_entry *limit_entry_get(struct limit_table *table, const struct limit_key *key);
void limit_entry_ref(struct limit_entry *entry);
void limit_entry_put(struct limit_table *table, struct limit_entry *entry, uint64_t now_ms);

bool limit_entry_is(const struct limit_entry *entry, const struct limit_key *key);

/* Counts one more, unless there are as many as there may be; and one less. */
bool limit_entry_take(struct limit_entry *entry, const struct limit_bounds *bounds,
                      enum limit_what what);
void limit_entry_give(struct limit_entry *entry, enum limit_what what);

/* How many there are. */
unsigned limit_entry_count(const struct limit_entry *entry, enum limit_what what);

/* Whether one more connection may begin now, as to `fresh`. */
bool limit_entry_take_fresh(struct limit_entry *entry, const struct limit_bounds *bounds,
                            uint64_t now_ms);

/* Reserves bytes in one of two directions, of a limit that has a rate; returns after how many
 * milliseconds they may pass. */
uint64_t limit_entry_reserve(struct limit_entry *entry, const struct limit_bounds *bounds,
                             int direction, size_t bytes, uint64_t now_ms);

/* Of what was reserved, so many bytes have not come and will not. */
void limit_entry_return(struct limit_entry *entry, const struct limit_bounds *bounds, int direction,
                        size_t bytes);

/* Notes that one was refused. Returns how many have been since that was told last, this one
 * included, if it is to be told now: at first, and then once in LIMIT_TELL_MS. Else 0. */
#define LIMIT_TELL_MS 60000
unsigned limit_entry_refused(struct limit_entry *entry, uint64_t now_ms);

#endif

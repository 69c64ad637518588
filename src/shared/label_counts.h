/* Counters with labels: of requests by listener, upstream, protocol and outcome, and the like. As
 * in shared/metrics.h there is a set for each worker, which that worker alone writes and any thread
 * reads, without locks.
 *
 * Labels are small numbers. The main thread gives them out by name, with each configuration; a name
 * keeps its number until the end of the process, so that a reload goes on counting. */
#ifndef ADIT_SHARED_LABEL_COUNTS_H
#define ADIT_SHARED_LABEL_COUNTS_H

#include "conf/config.h"
#include "shared/metrics.h"
#include "wire/wire.h"

/* Names beyond these share the last number. */
#define LABEL_LISTENERS 256
#define LABEL_UPSTREAMS 64
#define LABEL_LIMITS 64
#define LABEL_USERS 256

#define LABEL_NONE 0 /* the name is not known, or there is none: "" */

/* The names: main thread only. */
struct label_names;
struct label_names *label_names_new(void);
void label_names_free(struct label_names *names);

/* The number of a listener or forward, of an upstream, and of a limit. `names` NULL: LABEL_NONE. */
uint16_t label_of_listener(struct label_names *names, const char *name);
uint16_t label_of_upstream(struct label_names *names, const char *name);
uint16_t label_of_limit(struct label_names *names, const char *name);

/* How many numbers were given out, and the name of one ("(others)": that of several). */
unsigned label_listeners(const struct label_names *names);
unsigned label_upstreams(const struct label_names *names);
unsigned label_limits(const struct label_names *names);
const char *label_listener_name(const struct label_names *names, unsigned listener);
const char *label_upstream_name(const struct label_names *names, unsigned upstream);
const char *label_limit_name(const struct label_names *names, unsigned limit);

/* Times. The bounds of the buckets are in milliseconds; a last bucket has no bound. */
#define HISTOGRAM_BOUNDS                                                                           \
    {                                                                                              \
        1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000                         \
    }
#define HISTOGRAM_BUCKETS 15

struct histogram {
    metric buckets[HISTOGRAM_BUCKETS];
    metric sum_ms;
};

enum label_protocol {
    LABEL_SOCKS5,
    LABEL_SOCKS4,
    LABEL_HTTP,
    LABEL_FORWARD, /* the listener has one target */
    LABEL_UNKNOWN, /* the client had not said enough */
    LABEL_PROTOCOLS,
};

/* What a client was refused for: the keys of a limit, by enum limit_what and then `new`; and the
 * keys of [gateway], whose limit is LABEL_NONE. */
enum label_bound {
    LABEL_BOUND_NEW = LIMIT_WHATS,
    LABEL_BOUNDS_OF_LIMIT,
    LABEL_BOUND_MAX_CONNECTIONS = LABEL_BOUNDS_OF_LIMIT,
    LABEL_BOUND_HELD_BYTES,
    LABEL_BOUNDS,
};

/* The name of the key: "connections", "held_bytes". */
const char *label_bound_name(unsigned bound);

struct listener_counts {
    metric began; /* connections */
    metric ended;
    metric bytes[2]; /* from clients, to clients */
};

enum upstream_time {
    UPSTREAM_TIME_OPEN,      /* from the request for a channel to its confirmation */
    UPSTREAM_TIME_HOLD,      /* that a client waited for a session */
    UPSTREAM_TIME_KEEPALIVE, /* from a keepalive to the next packet of the server */
    UPSTREAM_TIMES,
};

struct upstream_times {
    struct histogram of[UPSTREAM_TIMES];
};

struct request_counts {
    metric requests[LABEL_PROTOCOLS][OUTCOMES];
};

struct user_counts {
    char *name; /* does not change once the number of users includes it */
    metric requests;
    metric bytes[2];
};

/* One worker's. Parts that few have are made by the worker when it first counts there. */
struct label_counts {
    struct listener_counts listeners[LABEL_LISTENERS];
    _Atomic(struct upstream_times *) upstreams[LABEL_UPSTREAMS];
    _Atomic(struct request_counts *) requests[LABEL_LISTENERS][LABEL_UPSTREAMS];
    metric refused[LABEL_LIMITS][LABEL_BOUNDS]; /* connections and requests */
    struct user_counts users[LABEL_USERS];
    atomic_uint user_count;
};

struct label_counts *label_counts_new(void);
void label_counts_free(struct label_counts *counts);

/* By the owning worker. */

/* A request that has ended. */
struct counted_request {
    uint16_t listener, upstream;
    enum label_protocol protocol;
    enum outcome outcome;
    const uint64_t *bytes; /* two, as listener_counts has them */
    const char *user;      /* whose requests are counted, too; NULL: none are */
};
void label_counts_request(struct label_counts *counts, const struct counted_request *request);

/* One of the times of an upstream. */
void label_counts_time(struct label_counts *counts, uint16_t upstream, enum upstream_time which,
                       uint64_t milliseconds);

#endif

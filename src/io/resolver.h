/* Names to addresses with c-ares, without blocking, with a bounded cache. Each loop has its own
 * resolver, for its thread only. */
#ifndef ADIT_IO_RESOLVER_H
#define ADIT_IO_RESOLVER_H

#include "base/ip.h"
#include "io/loop.h"

struct resolver;

/* A DNS server to ask. */
struct resolver_server {
    struct ip ip;
    uint16_t port;
};

/* The bounds of a resolver. */
#define RESOLVER_TIMEOUT_MS 10000   /* for one look-up, all its attempts together */
#define RESOLVER_TTL_MAX 3600       /* seconds that a found address is believed at most */
#define RESOLVER_TTL_NEGATIVE 5     /* seconds for "no such name": c-ares hides the SOA's minimum */
#define RESOLVER_TTL_PARTIAL 60     /* seconds, if the server failed to answer for one family */
#define RESOLVER_LATE_V6_MS 50      /* how long IPv4 addresses wait for IPv6 (RFC 8305 section 3) */
#define RESOLVER_LATE_V4_MS 500     /* and the other way round: IPv4 is what mostly works */
#define RESOLVER_CACHE_MAX 4096     /* names remembered; the oldest is dropped first */
#define RESOLVER_ADDRESSES_MAX 32   /* of one name; more would never be tried */
#define RESOLVER_QUESTIONS_MAX 4096 /* names asked for at a time; more look-ups fail at once */

struct resolver_options {
    /* None: this machine's resolvers (/etc/resolv.conf, /etc/hosts, search domains). Else these
     * servers only, over TCP (RFC 7766), no hosts file, no search domains. */
    const struct resolver_server *servers;
    size_t server_count;

    /* With servers: called to get a connected or connecting non-blocking stream descriptor to one
     * of them (for DNS through the tunnel: one end of a socketpair); the resolver closes it, which
     * it also does when a connection owes an answer for too long. -1: no descriptor. The function
     * must not call the resolver. NULL: plain TCP sockets. */
    int (*dial)(void *arg, const struct ip *server, uint16_t port);
    void *dial_arg;

    int timeout_ms; /* for one look-up; 0: RESOLVER_TIMEOUT_MS */
};

enum resolve_status {
    RESOLVE_FOUND,
    RESOLVE_NO_SUCH_NAME, /* NXDOMAIN, or no address records */
    RESOLVE_FAILED,       /* no server answered, SERVFAIL, ... */
};

/* Answers given since the start: by status, where those that failed because no server answered in
 * time count as timed_out only. */
struct resolver_counts {
    uint64_t found, no_such_name, failed, timed_out;
    uint64_t cached; /* of these, those that came from the cache */
    uint64_t asked;  /* names that servers were asked for */
};

/* NULL: c-ares could not start (logged). Options are copied. */
struct resolver *resolver_new(struct loop *loop, const struct resolver_options *options);

/* The loop that it was made for. */
struct loop *resolver_loop(const struct resolver *resolver);

/* Frees; look-ups under way must have been cancelled. NULL is fine. */
void resolver_free(struct resolver *resolver);

/* Takes what a look-up came to: addresses, valid during the call, or an error, NULL when found. */
typedef void resolve_done_fn(void *arg, enum resolve_status status, const struct ip *addresses,
                             size_t count, const char *error);

struct resolve; /* one look-up under way */

/* Looks up both families of `name` (normalised, not a literal). `done` is called once, never from
 * inside this call, with the addresses in the order to try them: families alternate, IPv6 first
 * (RFC 8305 section 4), none twice; valid during the call. `error` is NULL when found, else what
 * went wrong. Look-ups for the same name share one query. Found addresses are cached for their TTL
 * (at most RESOLVER_TTL_MAX), missing names for RESOLVER_TTL_NEGATIVE, failures not at all.
 * "localhost" and what ends in ".localhost" is loopback; no server is asked (RFC 6761 section 6.3).
 */
struct resolve *resolver_lookup(struct resolver *resolver, const char *name, resolve_done_fn *done,
                                void *arg);

/* `done` will not be called; the answer is still cached when it comes. NULL is fine. */
void resolve_cancel(struct resolve *resolve);

/* Forgets all answers and connections, and reads this machine's resolver configuration anew (after
 * SIGHUP, or a resume from sleep). Questions under way are asked again. */
void resolver_flush(struct resolver *resolver);

/* Whether no look-up is under way. */
bool resolver_is_idle(const struct resolver *resolver);

void resolver_counts(const struct resolver *resolver, struct resolver_counts *counts);

#endif

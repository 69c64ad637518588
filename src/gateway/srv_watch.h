/* The SRV records (RFC 2782) that name an upstream's hosts: asked for at once, again when their
 * time to live has passed, and when their owner says that what they say may be old. A failure, and
 * a name or records that are not there, change nothing: what was known stays. Main thread only. */
#ifndef ADIT_GATEWAY_SRV_WATCH_H
#define ADIT_GATEWAY_SRV_WATCH_H

#include "io/resolver.h"
#include "policy/targets.h"

struct srv_watch;

/* What the records say now: `targets` in order (targets_order), none if the service says of itself
 * that it is not there. Called after each answer that differs from the one before; never from
 * inside a call. */
typedef void srv_watch_fn(void *arg, const struct target *targets, size_t count);

/* A question has failed while no host is known, for that reason. Never called from inside a call.
 */
typedef void srv_watch_unknown_fn(void *arg, const char *why);

struct srv_watch_request {
    struct resolver *resolver;
    const char *name;    /* the upstream's, for the log; copied */
    const char *service; /* the name to ask for; copied */
    srv_watch_fn *changed;
    srv_watch_unknown_fn *unknown;
    void *arg;
};
struct srv_watch *srv_watch_new(const struct srv_watch_request *request);
void srv_watch_free(struct srv_watch *watch);

/* Asks again: at once (a reload, or a machine that slept), or as soon as 5 s have passed since it
 * was asked last (no host can be reached). */
void srv_watch_ask_now(struct srv_watch *watch);
void srv_watch_ask_soon(struct srv_watch *watch);

struct srv_watch_state {
    const char *service;
    const char *error; /* why the last question brought no hosts; NULL: it did; valid until the
                          watch is touched */
    uint64_t next_ms;  /* until it is asked again; 0: it is being asked */
};
void srv_watch_state(const struct srv_watch *watch, struct srv_watch_state *state);

#endif

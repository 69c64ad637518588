/* What has changed: upstreams, sessions and forwards that come and go, a reload, the drain. It is
 * told to whoever watches (adit -O watch). Main thread only. */
#ifndef ADIT_GATEWAY_EVENTS_H
#define ADIT_GATEWAY_EVENTS_H

#include <jansson.h>
#include <stdbool.h>

enum event_kind {
    EVENT_UPSTREAM_UP,   /* its first session is up */
    EVENT_UPSTREAM_DOWN, /* it has no session any more */
    EVENT_SESSION_UP,
    EVENT_SESSION_LOST,
    EVENT_SESSION_CLOSED, /* it was meant to end */
    EVENT_FORWARD_UP,
    EVENT_FORWARD_DOWN,
    EVENT_DRAIN,
    EVENT_RELOAD,
    EVENT_RELOAD_REFUSED,
};

/* Everything is valid during the call only. */
struct event {
    enum event_kind kind;
    const char *upstream; /* NULL, here and below: the event has none */
    const char *host;     /* of a session, as it is named in the log */
    int session;          /* its number, if there is a `host` */
    const char *forward;
    const char *reason;
};

/* As a line of -O watch: "time" (seconds since 1970), "event", and what the event has; the
 * caller's. */
json_t *event_json(const struct event *event);

struct pool_room;

/* Tells the room of a session that has come or gone, and, if its upstream has with it, of that:
 * `known_up` is what was told of the upstream last, `up` how it is. Returns `up`. */
bool events_session(struct pool_room *room, const struct event *event, bool known_up, bool up);

#endif

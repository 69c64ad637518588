/* Ends relays and HTTP exchanges through which nothing passes. */
#include "worker/client_parts.h"

#include "base/units.h"
#include "worker/http_exchange.h"

#include <stdio.h>

/* How often in an idle_timeout it is looked: so much later they end, at the most. */
#define LOOKS 8

static uint64_t bytes_passed(const struct client *c)
{
    uint64_t bytes[2] = {0};

    if (c->relay != NULL)
        relay_bytes(c->relay, bytes);
    if (c->exchange != NULL)
        http_exchange_bytes(c->exchange, bytes);
    return bytes[0] + bytes[1];
}

static void idle_looked(struct deadline *deadline);

static void look_later(struct client *c)
{
    uint64_t limit = c->listen->idle_timeout_ms;

    deadline_arm(c->worker->loop, &c->deadline, (limit + LOOKS - 1) / LOOKS, idle_looked);
}

static void idle_looked(struct deadline *deadline)
{
    struct client *c = container_of(deadline, struct client, deadline);
    uint64_t now = loop_now(c->worker->loop);
    uint64_t bytes = bytes_passed(c);
    char limit[DURATION_TEXT_MAX], words[64];

    if (bytes != c->idle.bytes)
        c->idle = (struct client_idle){bytes, now};
    if (now - c->idle.since < c->listen->idle_timeout_ms) {
        look_later(c);
        return;
    }
    snprintf(words, sizeof(words), "nothing passed for idle_timeout = %s",
             duration_format(c->listen->idle_timeout_ms, limit));
    client_event(c, CLIENT_TIMED_OUT, words);
}

void client_watch_idle(struct client *c)
{
    if (c->listen == NULL || c->listen->idle_timeout_ms == 0)
        return;
    c->idle = (struct client_idle){0, loop_now(c->worker->loop)};
    look_later(c);
}

/* Which session is asked, and what is told of it. */
#include "gateway/ping.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "control/protocol.h"
#include "gateway/gateway_parts.h"
#include "shared/session_pings.h"

#include <stdlib.h>
#include <string.h>

struct ping_order {
    char *upstream;
    char *host;
    int slot;
    ping_answered_fn *answered;
    void *arg;
};

static void on_session_pinged(void *arg, const char *failure, uint64_t microseconds)
{
    struct ping_order *order = arg;
    json_t *answer;

    if (failure != NULL)
        answer = control_error(EXIT_FAILURE, "upstream %s: session %d (%s): %s", order->upstream,
                               order->slot, order->host, failure);
    else
        answer = json_pack("{s:b, s:o, s:i, s:o, s:f}", "ok", 1, "upstream",
                           json_text(order->upstream), "session", order->slot, "host",
                           json_text(order->host), "ms", (double)microseconds / 1000);
    order->answered(order->arg, answer);
    free(order->upstream);
    free(order->host);
    free(order);
}

/* NULL: there is none of that name, or more than one where none was named. */
static const struct pool *pool_named(const struct gateway *g, const char *upstream)
{
    if (upstream == NULL)
        return g->pool_count == 1 ? g->pools[0] : NULL;
    for (size_t i = 0; i < g->pool_count; i++)
        if (strcmp(pool_upstream(g->pools[i])->name, upstream) == 0)
            return g->pools[i];
    return NULL;
}

/* The session that a new channel would go to, as near as may be: the one with the fewest; -1: none
 * is up. (An overdue one is asked only where there is no other.) */
static int find_session(const struct pool *pool)
{
    struct pool_session session, best = {0};
    int slot = -1;

    for (int i = 0; i < SESSION_TABLE_SLOTS; i++) {
        if (!pool_session(pool, i, &session) || session.state != SLOT_UP)
            continue;
        if (slot < 0 || (best.overdue && !session.overdue) ||
            (best.overdue == session.overdue && session.channels < best.channels)) {
            slot = i;
            best = session;
        }
    }
    return slot;
}

static json_t *no_session(const struct pool *pool)
{
    struct pool_state state;

    pool_state(pool, &state);
    return control_error(EXIT_FAILURE, "upstream %s has no session: %s", pool_upstream(pool)->name,
                         state.error != NULL ? state.error : "not connected yet");
}

void gateway_ping(struct gateway *g, const char *upstream, ping_answered_fn *answered, void *arg)
{
    const struct pool *pool = pool_named(g, upstream);
    struct pool_session session;
    struct ping_order *order;
    int slot = pool != NULL ? find_session(pool) : -1;

    if (slot < 0) {
        answered(arg, pool != NULL ? no_session(pool)
                      : upstream != NULL
                          ? control_error(EXIT_FAILURE, "there is no upstream \"%s\"", upstream)
                          : control_error(EXIT_FAILURE, "which upstream? -O status shows them"));
        return;
    }
    pool_session(pool, slot, &session);
    order = mem_zalloc(sizeof(*order));
    *order = (struct ping_order){
        .upstream = mem_strdup(pool_upstream(pool)->name),
        .host = mem_strdup(session.host),
        .slot = slot,
        .answered = answered,
        .arg = arg,
    };
    workers_send_ping(&g->workers, pool_table(pool), slot, on_session_pinged, order);
}

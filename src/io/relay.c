/* Two flows, one in each direction, between two endpoints.
 *
 * A flow owns the events of the endpoint that its bytes come from. It ends when the end of data was
 * passed on, or when the endpoint that its bytes go to is gone. When both flows have ended and
 * neither endpoint is draining, both endpoints are closed.
 *
 * Inside `data`, which may be called from inside a libssh callback, a flow writes or holds bytes
 * and does nothing else. */
#include "io/relay.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

struct flow {
    struct relay *relay;
    struct endpoint *from;
    struct endpoint *to;
    struct buffer held; /* bytes that `to` has not taken yet; `from` is paused meanwhile */
    uint64_t bytes;     /* how many `to` took */
    bool eof;           /* `from` has no more */
    bool ended;         /* bytes that still come are dropped */
};

struct relay {
    struct loop *loop;
    struct flow flows[2]; /* from a to b, from b to a */
    bool closed;          /* the endpoints are closed; `ending` is queued */
    bool awaits_close;    /* of b, before the end */
    int failed;
    char *why; /* NULL: nothing failed */
    struct later ending;
    relay_done_fn *done;
    void *arg;
};

static struct flow *flow_opposite(const struct flow *flow)
{
    struct flow *flows = flow->relay->flows;

    return flow == &flows[0] ? &flows[1] : &flows[0];
}

static void relay_free(struct relay *relay)
{
    free(relay->why);
    free(relay);
}

static void relay_end(struct later *ending)
{
    struct relay *relay = container_of(ending, struct relay, ending);
    relay_done_fn *done = relay->done;
    void *arg = relay->arg;
    char *why = relay->why;
    struct relay_result result = {.reason = why != NULL ? why : "closed", .failed = relay->failed};

    relay_bytes(relay, result.bytes);
    relay->why = NULL;
    relay_free(relay);
    done(arg, &result);
    free(why);
}

static void relay_close_endpoints(struct relay *relay, bool abort)
{
    if (relay->closed)
        return;
    relay->closed = true;
    for (int i = 0; i < 2; i++) {
        buffer_clear(&relay->flows[i].held);
        relay->flows[i].from->unanswered = relay->flows[!i].bytes == 0;
        endpoint_close(relay->flows[i].from, abort);
    }
}

/* Writes what is held. False: some still is. */
static bool flow_flush(struct flow *flow)
{
    size_t length = buffer_length(&flow->held);
    size_t taken;

    if (length == 0)
        return true;
    taken = endpoint_write(flow->to, buffer_data(&flow->held), length);
    flow->bytes += taken;
    buffer_consume(&flow->held, taken);
    return taken == length;
}

/* Does what can be done now for a flow, in order: held bytes, then the end of data or more bytes.
 */
static void flow_advance(struct flow *flow)
{
    struct relay *relay = flow->relay;

    if (!flow->ended && flow_flush(flow)) {
        if (flow->eof) {
            flow->ended = true;
            endpoint_write_eof(flow->to);
        } else {
            endpoint_resume(flow->from);
        }
    }
    if (relay->awaits_close)
        return;
    if (relay->flows[0].ended && relay->flows[1].ended && !endpoint_is_draining(flow->from) &&
        !endpoint_is_draining(flow->to)) {
        assert(!relay->closed && "no event comes from an endpoint that is closed");
        relay_close_endpoints(relay, false);
        later_post(relay->loop, &relay->ending, relay_end);
    }
}

static size_t flow_on_room(void *owner)
{
    struct flow *flow = owner;

    if (flow->ended)
        return LOOP_SCRATCH_SIZE;
    return buffer_length(&flow->held) > 0 ? 0 : endpoint_room(flow->to);
}

static bool flow_on_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct flow *flow = owner;
    size_t taken;

    if (flow->ended)
        return true;
    if (buffer_length(&flow->held) > 0)
        return false;
    taken = endpoint_write(flow->to, bytes, length);
    flow->bytes += taken;
    buffer_append(&flow->held, bytes + taken, length - taken);
    return true;
}

static void flow_on_eof(void *owner)
{
    struct flow *flow = owner;

    flow->eof = true;
    flow_advance(flow);
}

static void flow_on_closed(void *owner)
{
    struct flow *flow = owner;
    struct flow *back = flow_opposite(flow);

    if (flow == &flow->relay->flows[1])
        flow->relay->awaits_close = false;
    back->ended = true;
    buffer_clear(&back->held);
    /* Bytes that still come are read and dropped: a peer may read only after it has written. */
    if (!back->eof)
        endpoint_resume(back->from);
    flow->eof = true;
    flow_advance(flow);
}

static void flow_on_writable(void *owner)
{
    flow_advance(flow_opposite(owner));
}

static void flow_on_failed(void *owner, const char *why)
{
    struct flow *flow = owner;
    struct relay *relay = flow->relay;

    relay->failed = flow == &relay->flows[0] ? 0 : 1;
    relay->why = mem_strdup(why);
    relay_close_endpoints(relay, true);
    later_post(relay->loop, &relay->ending, relay_end);
}

static const struct endpoint_events flow_events = {
    .room = flow_on_room,
    .data = flow_on_data,
    .eof = flow_on_eof,
    .closed = flow_on_closed,
    .writable = flow_on_writable,
    .failed = flow_on_failed,
};

static void flow_start(struct flow *flow, const struct buffer *early)
{
    endpoint_own(flow->from, &flow_events, flow);
    if (early != NULL)
        buffer_append(&flow->held, buffer_data(early), buffer_length(early));
}

struct relay *relay_new(struct loop *loop, const struct relay_start *start)
{
    struct relay *relay = mem_zalloc(sizeof *relay);
    struct flow *forth = &relay->flows[0];
    struct flow *back = &relay->flows[1];

    assert(start->a != start->b && "a relay joins two endpoints");
    *relay = (struct relay){.loop = loop,
                            .awaits_close = start->until_b_closed,
                            .failed = -1,
                            .done = start->done,
                            .arg = start->arg};
    *forth = (struct flow){.relay = relay, .from = start->a, .to = start->b};
    *back = (struct flow){.relay = relay, .from = start->b, .to = start->a};
    flow_start(forth, start->early_a);
    flow_start(back, start->early_b);
    flow_advance(forth);
    flow_advance(back);
    return relay;
}

void relay_abort(struct relay *relay)
{
    later_cancel(relay->loop, &relay->ending);
    relay_close_endpoints(relay, true);
    relay_free(relay);
}

void relay_bytes(const struct relay *relay, uint64_t bytes[static 2])
{
    bytes[0] = relay->flows[0].bytes;
    bytes[1] = relay->flows[1].bytes;
}

size_t relay_held(const struct relay *relay)
{
    size_t held = 0;

    for (int i = 0; i < 2 && !relay->closed; i++)
        held += buffer_length(&relay->flows[i].held) + endpoint_held(relay->flows[i].from);
    return held;
}

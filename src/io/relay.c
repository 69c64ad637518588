/* Two flows, one each way, between two endpoints.
 *
 * A flow owns the events of the endpoint that it comes from. It ends when the end of data was
 * passed on, or when there is nobody left to take its bytes; when both flows have ended, both
 * endpoints are closed. Nothing but writing and keeping bytes happens inside `data`, which may be
 * called from where nothing else is allowed.
 *
 * An SSH channel brings its bytes by packets of 32 KiB at most. For a socket, which would wake its
 * reader for each, those of one turn are gathered, since to copy them costs less than to write
 * each: one flow's at a time, in what all flows of the loop share, and only when it was also the
 * last that brought one. (With several streams sshd sends a packet of each in turn.) */
#include "io/relay.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "io/loop_internal.h"

#include <stdlib.h>
#include <string.h>

/* Fewer bytes are passed on at once, unless they are behind gathered ones; more are worth a write
 * of their own. */
#define GATHER_MIN 16384
#define GATHER_MAX 65536

struct flow {
    struct relay *relay;
    struct endpoint *from;
    struct endpoint *to;
    struct buffer held; /* what `to` has not taken yet; `from` is paused meanwhile */
    size_t reply;       /* so many of the first bytes of `held` are not `from`'s */
    uint64_t bytes;     /* that `to` took of what came from `from` */
    bool eof;           /* `from` has no more */
    bool ended;         /* bytes that still come are dropped */
};

struct relay {
    struct loop *loop;
    struct flow flows[2]; /* from a to b, from b to a */
    bool closed;          /* the endpoints are; `ending` is queued */
    int failed;
    char *why; /* NULL: nothing failed */
    struct later ending;
    void (*done)(void *arg, const struct relay_result *result);
    void *arg;
};

static struct flow *opposite(const struct flow *flow)
{
    struct flow *flows = flow->relay->flows;

    return flow == &flows[0] ? &flows[1] : &flows[0];
}

/* Writes, and holds what is not taken. */
static void flow_write(struct flow *flow, const uint8_t *bytes, size_t length)
{
    size_t taken = endpoint_write(flow->to, bytes, length);

    flow->bytes += taken;
    buffer_append(&flow->held, bytes + taken, length - taken);
}

/* Nobody's bytes are gathered any more. */
static void forget_gathered(struct loop *loop)
{
    struct gathered *g = loop_gathered(loop);

    later_cancel(loop, &g->spilling);
    g->flow = NULL;
    g->length = 0;
}

/* Writes what is gathered, whoever's it is. */
static void spill(struct loop *loop)
{
    struct gathered *g = loop_gathered(loop);
    struct flow *flow = g->flow;
    size_t length = g->length;

    forget_gathered(loop);
    if (flow != NULL)
        flow_write(flow, g->bytes, length);
}

static void spill_now(struct later *spilling)
{
    struct gathered *g = container_of(spilling, struct gathered, spilling);

    spill(g->flow->relay->loop);
}

static bool is_gathering(const struct flow *flow)
{
    return loop_gathered(flow->relay->loop)->flow == flow;
}

static void gather(struct flow *flow, const uint8_t *bytes, size_t length)
{
    struct loop *loop = flow->relay->loop;
    struct gathered *g = loop_gathered(loop);

    if (g->flow != flow || length > GATHER_MAX || length > sizeof g->bytes - g->length)
        spill(loop);
    if (buffer_length(&flow->held) > 0) { /* (Not all of its own was taken.) */
        buffer_append(&flow->held, bytes, length);
    } else if (length > GATHER_MAX) {
        flow_write(flow, bytes, length);
    } else {
        memcpy(g->bytes + g->length, bytes, length);
        g->flow = flow;
        g->length += length;
        later_post(loop, &g->spilling, spill_now);
    }
}

/* Forgets what `to` has not got, as it shall get nothing more. */
static void flow_drop(struct flow *flow)
{
    struct loop *loop = flow->relay->loop;
    struct gathered *g = loop_gathered(loop);

    if (is_gathering(flow))
        forget_gathered(loop);
    if (g->last == flow)
        g->last = NULL;
    buffer_clear(&flow->held);
}

static void relay_free(struct relay *relay)
{
    free(relay->why);
    free(relay);
}

static void relay_end(struct later *ending)
{
    struct relay *relay = container_of(ending, struct relay, ending);
    void (*done)(void *arg, const struct relay_result *result) = relay->done;
    void *arg = relay->arg;
    char *why = relay->why;
    struct relay_result result = {.reason = why != NULL ? why : "closed", .failed = relay->failed};

    relay_bytes(relay, result.bytes);
    relay->why = NULL;
    relay_free(relay);
    done(arg, &result);
    free(why);
}

static void close_endpoints(struct relay *relay, bool abort)
{
    if (relay->closed)
        return;
    relay->closed = true;
    flow_drop(&relay->flows[0]);
    flow_drop(&relay->flows[1]);
    endpoint_close(relay->flows[0].from, abort);
    endpoint_close(relay->flows[1].from, abort);
}

/* Counts what `to` took of `held`. */
static void flow_count(struct flow *flow, size_t taken)
{
    size_t reply = taken < flow->reply ? taken : flow->reply;

    flow->reply -= reply;
    flow->bytes += taken - reply;
}

/* Writes what is gathered or held. False: some still is. */
static bool flow_flush(struct flow *flow)
{
    size_t length;
    size_t taken;

    if (is_gathering(flow))
        spill(flow->relay->loop);
    length = buffer_length(&flow->held);
    if (length == 0)
        return true;
    taken = endpoint_write(flow->to, buffer_data(&flow->held), length);
    flow_count(flow, taken);
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
    if (relay->flows[0].ended && relay->flows[1].ended && !endpoint_is_draining(flow->from) &&
        !endpoint_is_draining(flow->to)) {
        close_endpoints(relay, false);
        later_post(relay->loop, &relay->ending, relay_end);
    }
}

static size_t on_room(void *owner)
{
    struct flow *flow = owner;

    if (flow->ended)
        return LOOP_SCRATCH_SIZE;
    return buffer_length(&flow->held) > 0 ? 0 : endpoint_room(flow->to);
}

static bool on_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct flow *flow = owner;
    struct loop *loop = flow->relay->loop;
    bool is_packet = flow->to->gathers && length >= GATHER_MIN;

    if (flow->ended)
        return true;
    if (buffer_length(&flow->held) > 0)
        return false;
    if (is_gathering(flow) || (is_packet && loop_gathered(loop)->last == flow))
        gather(flow, bytes, length);
    else
        flow_write(flow, bytes, length);
    if (is_packet)
        loop_gathered(loop)->last = flow;
    return true;
}

static void on_eof(void *owner)
{
    struct flow *flow = owner;

    flow->eof = true;
    flow_advance(flow);
}

static void on_closed(void *owner)
{
    struct flow *flow = owner;
    struct flow *back = opposite(flow);

    back->ended = true;
    flow_drop(back);
    /* Dropping what comes keeps alive a peer that only reads once it has written. */
    if (!back->eof)
        endpoint_resume(back->from);
    flow->eof = true;
    flow_advance(flow);
}

static void on_writable(void *owner)
{
    flow_advance(opposite(owner));
}

static void on_failed(void *owner, const char *why)
{
    struct flow *flow = owner;
    struct relay *relay = flow->relay;

    relay->failed = flow == &relay->flows[0] ? 0 : 1;
    relay->why = mem_strdup(why);
    if (is_gathering(flow))
        spill(relay->loop); /* it came before */
    close_endpoints(relay, true);
    later_post(relay->loop, &relay->ending, relay_end);
}

static const struct endpoint_events relay_events = {
    .room = on_room,
    .data = on_data,
    .eof = on_eof,
    .closed = on_closed,
    .writable = on_writable,
    .failed = on_failed,
};

static void hold(struct flow *flow, const struct buffer *bytes)
{
    if (bytes != NULL)
        buffer_append(&flow->held, buffer_data(bytes), buffer_length(bytes));
}

struct relay *relay_new(struct loop *loop, const struct relay_start *start)
{
    struct relay *relay = mem_zalloc(sizeof *relay);
    struct flow *forth = &relay->flows[0];
    struct flow *back = &relay->flows[1];

    *relay = (struct relay){.loop = loop, .failed = -1, .done = start->done, .arg = start->arg};
    *forth = (struct flow){.relay = relay, .from = start->a, .to = start->b, .eof = start->a_eof};
    *back = (struct flow){.relay = relay, .from = start->b, .to = start->a};
    endpoint_own(start->a, &relay_events, forth);
    endpoint_own(start->b, &relay_events, back);
    hold(forth, start->to_b);
    hold(back, start->to_a);
    back->reply = buffer_length(&back->held);
    flow_advance(forth);
    flow_advance(back);
    return relay;
}

void relay_abort(struct relay *relay)
{
    later_cancel(relay->loop, &relay->ending);
    close_endpoints(relay, true);
    relay_free(relay);
}

void relay_bytes(const struct relay *relay, uint64_t bytes[static 2])
{
    bytes[0] = relay->flows[0].bytes;
    bytes[1] = relay->flows[1].bytes;
}

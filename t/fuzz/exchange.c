/* Fuzzes worker/http_exchange: a client and an origin, each of which says what the input says, in
 * the input's order, and takes as much as the input says. After each exchange both connections go
 * on with the next one, if they were given back. Lines that the client says behind a request are
 * requests: those that begin with a letter beyond 'm' may go ahead.
 *
 * The input is a sequence of steps. A step is one byte: its two highest bits say what happens, its
 * other bits how much of it (see `step`). Bytes that are said follow the step. */
#include "worker/http_exchange.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An endpoint whose far side is the input. */
struct side {
    struct endpoint endpoint;
    bool open;
    size_t capacity; /* what can be written now */
    bool owes_writable;
    bool ended, gone; /* its far side has sent its end, or has gone */
    bool got_eof;
    uint64_t got;
};

#define HEAD "GET / HTTP/1.1\r\n\r\n"
#define AHEAD_MAX 5

static bool in_data;

static struct side *side_of(struct endpoint *endpoint)
{
    return container_of(endpoint, struct side, endpoint);
}

static size_t side_room(struct endpoint *endpoint)
{
    struct side *side = side_of(endpoint);

    side->owes_writable |= side->capacity == 0;
    return side->capacity;
}

static size_t side_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct side *side = side_of(endpoint);
    size_t taken = length < side->capacity ? length : side->capacity;

    (void)bytes;
    assert(side->open && !side->got_eof);
    side->capacity -= taken;
    side->got += taken;
    side->owes_writable |= taken < length;
    return taken;
}

static void side_write_eof(struct endpoint *endpoint)
{
    assert(!in_data && !side_of(endpoint)->got_eof);
    side_of(endpoint)->got_eof = true;
}

static void side_resume(struct endpoint *endpoint)
{
    (void)endpoint;
    assert(!in_data);
}

static void side_close(struct endpoint *endpoint, bool abort)
{
    (void)abort;
    assert(!in_data && side_of(endpoint)->open);
    side_of(endpoint)->open = false;
    buffer_clear(&endpoint->unsent);
}

static const struct endpoint_operations side_operations = {
    .room = side_room,
    .write = side_write,
    .write_eof = side_write_eof,
    .resume = side_resume,
    .close = side_close,
};

static void side_begin(struct side *side)
{
    *side = (struct side){.endpoint.operations = &side_operations, .open = true, .capacity = 4096};
}

/* As a channel does: bytes are offered, and may be refused. */
static void side_says(struct side *side, const uint8_t *bytes, size_t length)
{
    bool taken;

    if (!side->open || side->ended || !side->endpoint.resumed || length == 0)
        return;
    in_data = true;
    taken = side->endpoint.events->data(side->endpoint.owner, bytes, length);
    in_data = false;
    if (!taken)
        side->endpoint.resumed = false;
}

/* As a socket does. */
static void side_says_with_room(struct side *side, const uint8_t *bytes, size_t length)
{
    size_t room;

    if (!side->open || side->ended || !side->endpoint.resumed)
        return;
    room = side->endpoint.events->room(side->endpoint.owner);
    if (room == 0) {
        side->endpoint.resumed = false;
        return;
    }
    side_says(side, bytes, length < room ? length : room);
    assert(!side->open || side->endpoint.resumed);
}

static void side_takes(struct side *side, size_t more)
{
    if (!side->open)
        return;
    side->capacity += more;
    if (!side->owes_writable || more == 0)
        return;
    side->owes_writable = false;
    endpoint_report_writable(&side->endpoint);
}

static void side_tells(struct side *side)
{
    if (!side->open || !side->ended)
        return;
    if (side->gone && endpoint_owes_closed(&side->endpoint))
        endpoint_report_closed(&side->endpoint);
    else if (!side->gone && endpoint_owes_eof(&side->endpoint))
        endpoint_report_eof(&side->endpoint);
}

/* The two, and the exchange between them. */
struct world {
    struct loop *loop;
    struct side client, origin;
    struct http_exchange *exchange; /* NULL: it has ended */
    struct http_exchange_result result;
    struct buffer next;
    unsigned exchanges;
    bool may_stay;
    /* Requests that are ahead, and what has come behind the last response. */
    size_t asked[AHEAD_MAX];
    size_t ahead;
    struct buffer from_origin;
    bool sent;        /* the exchange's own request was one of them */
    size_t carried;   /* bytes of them that the origin's endpoint had still to pass on */
    size_t put_ahead; /* bytes of those that went ahead during the exchange */
};

static bool world_stays(void *arg)
{
    return ((struct world *)arg)->may_stay;
}

static enum wire_status world_next(void *arg, struct text bytes, struct buffer *head, size_t *used)
{
    struct world *world = arg;
    const char *end = memchr(bytes.at, '\n', bytes.length);

    assert(!in_data && bytes.length > 0);
    if (end == NULL)
        return WIRE_MORE;
    if (world->ahead == AHEAD_MAX || bytes.at[0] <= 'm')
        return WIRE_BAD;
    *used = (size_t)(end - bytes.at) + 1;
    world->asked[world->ahead++] = *used;
    world->put_ahead += strlen(HEAD);
    buffer_append(head, HEAD, strlen(HEAD));
    return WIRE_OK;
}

/* What the origin was sent is what the exchange says. (Where it closed the origin with heads that
 * were not passed on, nobody knows how much that was.) */
static void world_count(const struct world *world, const struct http_exchange_result *result)
{
    size_t own = world->sent ? strlen(HEAD) : 0;
    size_t left = result->origin != NULL ? buffer_length(&result->origin->unsent) : 0;

    if (result->origin != NULL || world->carried + world->put_ahead == 0)
        assert(result->bytes[0] + world->carried + world->put_ahead ==
               world->origin.got + own + left);
}

static void world_forget_ahead(struct world *world)
{
    world->ahead = 0;
    buffer_clear(&world->from_origin);
}

/* What was ahead is the next exchanges', if the origin stays. */
static void world_take_ahead(struct world *world, const struct http_exchange_result *result)
{
    buffer_clear(&world->from_origin);
    if (result->origin == NULL || result->end != HTTP_EXCHANGE_KEPT) {
        world->ahead = 0;
        return;
    }
    world->from_origin = *result->from_origin;
    *result->from_origin = (struct buffer){0};
    assert(world->ahead > 0 || buffer_length(&world->from_origin) == 0);
}

static void world_done(void *arg, const struct http_exchange_result *result)
{
    struct world *world = arg;
    bool kept = result->end == HTTP_EXCHANGE_KEPT;

    assert(world->exchange != NULL);
    world->exchange = NULL;
    /* (What was given back has no owner until the next exchange.) */
    world->client.endpoint.resumed = world->origin.endpoint.resumed = false;
    world->result = *result;
    assert((result->client != NULL) == (result->end <= HTTP_EXCHANGE_STALE));
    assert(result->client == NULL || result->client == &world->client.endpoint);
    assert(world->client.open == (result->client != NULL));
    assert(world->origin.open == (result->origin != NULL));
    assert(!kept || (!world->client.got_eof && !endpoint_is_draining(result->client)));
    assert(result->origin == NULL || kept || result->end == HTTP_EXCHANGE_UPGRADED);
    assert(result->outcome == OUTCOME_OK || result->end >= HTTP_EXCHANGE_CLOSED);
    world_count(world, result);
    world_take_ahead(world, result);
    buffer_clear(&world->next);
    world->next = *result->from_client;
    *result->from_client = (struct buffer){0};
    buffer_clear(result->from_origin);
}

/* The first request that is ahead, if any, is the one whose exchange begins. */
static void world_turn_of_ahead(struct world *world)
{
    world->sent = world->ahead > 0;
    if (!world->sent)
        return;
    buffer_consume(&world->next, world->asked[0]);
    memmove(&world->asked[0], &world->asked[1], sizeof(world->asked) - sizeof(world->asked[0]));
    world->ahead--;
}

static size_t world_ahead_bytes(const struct world *world)
{
    size_t bytes = 0;

    for (size_t i = 0; i < world->ahead; i++)
        bytes += world->asked[i];
    return bytes;
}

/* The next exchange, over what is left of the connections; `how` says of what kind. */
static void world_begin(struct world *world, uint8_t how)
{
    static const char *const upgrades[] = {"", "websocket"};
    bool pipelines = world->origin.open && world->result.pipelines;
    const char *upgrade;
    struct wire_target target = {.host = "a", .port = 80};
    struct buffer head = {0};
    size_t ahead;

    if (!world->client.open) {
        side_begin(&world->client);
        buffer_clear(&world->next);
    }
    if (!world->origin.open)
        side_begin(&world->origin);
    world_turn_of_ahead(world);
    if (world->sent)
        how = 1 << 4 | (how & (1 << 3 | 1 << 6)); /* kept, no body */
    upgrade = upgrades[how >> 5 & 1];
    world->origin.got = 0;
    world->put_ahead = 0;
    world->carried = buffer_length(&world->origin.endpoint.unsent);
    buffer_append(&head, HEAD, strlen(HEAD));
    world->may_stay = how >> 6 & 1;
    ahead = world_ahead_bytes(world);
    world->exchanges++;
    world->exchange =
        http_exchange_new(world->loop, &(struct http_exchange_start){
                                           .client = &world->client.endpoint,
                                           .origin = &world->origin.endpoint,
                                           .head = &head,
                                           .from_client = &world->next,
                                           .body = {.framing = (enum http_framing)(how & 3),
                                                    .left = (how & 3) == HTTP_LENGTH ? 9 : 0},
                                           .target = &target,
                                           .upgrade = {upgrade, strlen(upgrade)},
                                           .old = how >> 2 & 1,
                                           .is_head = how >> 3 & 1,
                                           .close = how >> 2 & 1,
                                           .kept = how >> 4 & 1,
                                           .repeatable = (how & 3) == HTTP_NO_BODY,
                                           .pipelines = pipelines,
                                           .sent = world->sent,
                                           .from_origin = &world->from_origin,
                                           .ahead = ahead,
                                           .next = how >> 7 ? NULL : world_next,
                                           .stays = world_stays,
                                           .done = world_done,
                                           .arg = world,
                                       });
    buffer_clear(&head);
    assert(buffer_length(&world->next) == 0);
}

static void world_turn(struct world *world)
{
    side_tells(&world->client);
    side_tells(&world->origin);
    for (int i = 0; i < 3; i++)
        uv_run(loop_uv(world->loop), UV_RUN_NOWAIT);
}

/* What the step's lower bits say besides how many bytes: an end, a cut, an abort, more room. */
static void world_ends(struct world *world, struct side *side, unsigned what)
{
    switch (what & 7) {
    case 0: side->ended = true; break;
    case 1: side->ended = side->gone = true; break;
    case 2:
        if (side->open)
            endpoint_report_failed(&side->endpoint, "cut");
        break;
    case 3:
        if (world->exchange != NULL) {
            http_exchange_abort(world->exchange);
            world->exchange = NULL;
            world_forget_ahead(world);
        }
        break;
    default: side_takes(side, (size_t)1 << (what & 15)); break;
    }
}

/* Performs one step; returns how many bytes of the input it used. */
static size_t step(struct world *world, const uint8_t *data, size_t size)
{
    uint8_t what = data[0];
    struct side *side = what >> 7 ? &world->origin : &world->client;
    size_t said = (size_t)(what & 31) * 4 + 1;

    if (what >> 6 & 1) {
        world_ends(world, side, what & 31);
        return 1;
    }
    if (said > size - 1)
        said = size - 1;
    if (what >> 5 & 1)
        side_says_with_room(side, data + 1, said);
    else
        side_says(side, data + 1, said);
    return 1 + said;
}

static void world_close_origin(struct world *world)
{
    side_close(&world->origin.endpoint, false);
    world_forget_ahead(world);
}

/* The owner gives up what it was given back. */
static void world_end(struct world *world)
{
    if (world->exchange != NULL)
        http_exchange_abort(world->exchange);
    else if (world->client.open)
        side_close(&world->client.endpoint, false);
    if (world->origin.open)
        side_close(&world->origin.endpoint, false);
    assert(!world->client.open);
    buffer_clear(&world->next);
    buffer_clear(&world->from_origin);
    loop_free(world->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.loop = loop_new()};
    size_t at = 0;

    if (world.loop == NULL)
        return 0;
    while (at < size) {
        if (world.exchange == NULL) {
            if (world.exchanges > 16)
                break;
            /* (The owner of a client that has gone, or at its end, does not go on.) */
            if (world.client.open && world.client.ended)
                side_close(&world.client.endpoint, false);
            if (world.origin.open && (world.result.end == HTTP_EXCHANGE_UPGRADED ||
                                      (world.ahead > 0 && !world.client.open)))
                world_close_origin(&world);
            world_begin(&world, data[at++]);
        } else {
            at += step(&world, data + at, size - at);
        }
        world_turn(&world);
    }
    world_end(&world);
    return 0;
}

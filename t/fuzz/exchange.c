/* Fuzzes worker/http_exchange: a client and an origin, each of which says what the input says, in
 * the input's order, and takes as much as the input says. After each exchange both connections go
 * on with the next one, if they were given back.
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
};

static bool world_stays(void *arg)
{
    return ((struct world *)arg)->may_stay;
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
    assert(result->bytes[0] == world->origin.got);
    buffer_clear(&world->next);
    world->next = *result->from_client;
    *result->from_client = (struct buffer){0};
    buffer_clear(result->from_origin);
}

/* The next exchange, over what is left of the connections; `how` says of what kind. */
static void world_begin(struct world *world, uint8_t how)
{
    static const char *const upgrades[] = {"", "websocket"};
    const char *upgrade = upgrades[how >> 5 & 1];
    struct wire_target target = {.host = "a", .port = 80};
    struct buffer head = {0};

    if (!world->client.open) {
        side_begin(&world->client);
        buffer_clear(&world->next);
    }
    if (!world->origin.open)
        side_begin(&world->origin);
    world->origin.got = 0;
    buffer_append(&head, "GET / HTTP/1.1\r\n\r\n", strlen("GET / HTTP/1.1\r\n\r\n"));
    world->may_stay = how >> 6 & 1;
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
            if (world.origin.open && world.result.end == HTTP_EXCHANGE_UPGRADED)
                side_close(&world.origin.endpoint, false);
            world_begin(&world, data[at++]);
        } else {
            at += step(&world, data + at, size - at);
        }
        world_turn(&world);
    }
    world_end(&world);
    return 0;
}

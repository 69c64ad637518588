/* The owners of the endpoints of t/fuzz/session. What an owner does by itself says its policy. */
#include "session_world.h"

#include <assert.h>
#include <string.h>

enum {
    RESUMES = 1,        /* at once */
    TAKES = 2,          /* what comes */
    CLOSES_AT_EOF = 4,  /* inside the event */
    CLOSES_AT_END = 8,  /* inside `closed` and `failed` */
    ENDS_AT_EOF = 16,   /* its own direction, too */
    ANSWERS = 32,       /* writes when there is room, and at first */
    OPENS_MORE = 64,    /* inside of events */
    ENDS_SESSION = 128, /* inside of `closed` and `eof` */
};

/* What the server has of the channel; NULL: nothing is expected of it. */
static struct hostile_channel *far_of(const struct side *side)
{
    struct hostile_channel *far = hostile_channel(&side->world->server, side->port);

    return far == NULL || far->unclear || side->world->server.unclear ? NULL : far;
}

static void acts(struct side *side)
{
    struct world *world = side->world;

    if (side->policy & OPENS_MORE)
        world_open(world, true, side->policy & 0x3f);
    if ((side->policy & ENDS_SESSION) && side->told != ENDPOINT_FAILED)
        world_end_session(world);
}

static size_t on_room(void *owner)
{
    struct side *side = owner;

    assert(side->endpoint != NULL);
    return side->takes ? 65536 : 0;
}

static bool on_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct side *side = owner;
    const struct hostile_channel *far = far_of(side);

    assert(side->endpoint != NULL && side->told == ENDPOINT_NOT_ENDED);
    assert(length > 0);
    assert(!side->world->dying && side->endpoint->resumed);
    if (!side->takes)
        return false;
    if (far != NULL) {
        assert(far->confirmed && side->received + length <= far->sent);
        for (size_t i = 0; i < length; i++)
            assert(bytes[i] == hostile_stream(side->port, side->received + i));
    }
    side->received += length;
    return true;
}

static void check_end(const struct side *side, bool closed)
{
    const struct hostile_channel *far = far_of(side);

    assert(!side->world->dying && side->endpoint->resumed);
    if (far == NULL)
        return;
    assert(far->ended && (far->closed || !closed));
    assert(side->received == far->sent && "an end comes behind all data");
}

static void on_eof(void *owner)
{
    struct side *side = owner;

    assert(side->endpoint != NULL && side->told == ENDPOINT_NOT_ENDED);
    check_end(side, false);
    side->told = ENDPOINT_EOF;
    if (side->policy & ENDS_AT_EOF)
        endpoint_write_eof(side->endpoint);
    if (side->policy & CLOSES_AT_EOF)
        side_close(side, false);
    acts(side);
}

static void on_closed(void *owner)
{
    struct side *side = owner;

    assert(side->endpoint != NULL && side->told < ENDPOINT_CLOSED);
    check_end(side, true);
    side->told = ENDPOINT_CLOSED;
    if (side->policy & CLOSES_AT_END)
        side_close(side, false);
    acts(side);
}

static void on_writable(void *owner)
{
    struct side *side = owner;

    assert(side->endpoint != NULL && side->told < ENDPOINT_CLOSED && !side->world->dying);
    if ((side->policy & ANSWERS) && !side->endpoint->eof_written)
        endpoint_write(side->endpoint, (const uint8_t *)"answer", 6);
}

static void on_failed(void *owner, const char *why)
{
    struct side *side = owner;

    assert(side->endpoint != NULL && side->told != ENDPOINT_FAILED && *why != '\0');
    assert(side->world->dying && !side->world->lost);
    side->told = ENDPOINT_FAILED;
    if (side->policy & CLOSES_AT_END)
        side_close(side, false);
    acts(side);
}

static const struct endpoint_events events = {
    .room = on_room,
    .data = on_data,
    .eof = on_eof,
    .closed = on_closed,
    .writable = on_writable,
    .failed = on_failed,
};

void side_begin(struct world *world, struct endpoint *endpoint, uint32_t port, uint8_t policy)
{
    const struct hostile_channel *far = hostile_channel(&world->server, port);
    struct side *side = NULL;

    assert(far == NULL || far->by_server || far->confirmed || far->unclear ||
           world->server.unclear);
    for (size_t i = 0; i < SIDES && side == NULL; i++)
        if (world->sides[i].endpoint == NULL)
            side = &world->sides[i];
    if (side == NULL) {
        endpoint_close(endpoint, true);
        return;
    }
    *side = (struct side){.world = world,
                          .endpoint = endpoint,
                          .port = port,
                          .policy = policy,
                          .takes = policy & TAKES};
    endpoint_own(endpoint, &events, side);
    if (policy & RESUMES)
        side_resume(side);
    if (policy & ANSWERS)
        endpoint_send(endpoint, "hello", 5);
}

void side_resume(struct side *side)
{
    endpoint_resume(side->endpoint);
}

void side_close(struct side *side, bool abort)
{
    struct endpoint *endpoint = side->endpoint;

    side->endpoint = NULL;
    endpoint_close(endpoint, abort);
}

void side_give_away(struct side *side)
{
    struct side *other = NULL;

    for (size_t i = 0; i < SIDES && other == NULL; i++)
        if (side->world->sides[i].endpoint == NULL)
            other = &side->world->sides[i];
    if (other == NULL || side->told == ENDPOINT_FAILED)
        return;
    *other = *side;
    other->told = ENDPOINT_NOT_ENDED;
    side->endpoint = NULL;
    endpoint_own(other->endpoint, &events, other);
}

void side_check_told(const struct side *side)
{
    const struct hostile_channel *far = side->endpoint != NULL ? far_of(side) : NULL;

    if (far == NULL || !side->takes || !side->endpoint->resumed)
        return;
    assert(side->received == far->sent && "all that has come was passed on");
    assert(side->told == ENDPOINT_CLOSED || !far->closed);
    assert(side->told >= ENDPOINT_EOF || !far->ended);
}

size_t sides_count(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < SIDES; i++)
        count += world->sides[i].endpoint != NULL;
    return count;
}

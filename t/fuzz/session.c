/* Fuzzes the engine of sessions, libssh and all, with a hostile SSH server on the other side: an
 * input says in turn what the server says and what a worker does with its session. Server, worker
 * and clock are on one thread, so that an input says the same each time.
 *
 * The first two bytes say how the session is driven. Then come steps, each a byte with what it
 * needs: a message of the server's (hostile_messages.c), something that the worker does, or bytes
 * on their way; see `step`. What is checked: each open, each request to listen and each connection
 * that the server opens is answered once, or lost with the session; a channel's bytes arrive as
 * they were sent, before its end and after the server's confirmation; nothing comes after an end or
 * a close; what the server has said of opens and ends is told without delay; the session counts
 * what there is; the client keeps to the protocol (hostile_server.c); at the end nothing is left,
 * not even a descriptor. */
#include "session_world.h"

#include "../unit/test_clock.h"
#include "base/log.h"
#include "session_libssh/expectations.h"
#include "session_libssh/libssh_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In place of session_libssh/expectations.c: nothing that a server says makes adit believe that
 * this libssh is not as expected. */
static bool met[EXPECTATIONS];

void expectation_met(enum expectation expectation)
{
    met[expectation] = true;
}

void expectation_failed(enum expectation expectation)
{
    (void)expectation;
    assert(false && "libssh is as expected");
}

bool expectation_is_met(enum expectation expectation)
{
    return met[expectation];
}

bool expectation_has_failed(enum expectation expectation)
{
    (void)expectation;
    return false;
}

bool object_has_text(const void *address, const char *text)
{
    (void)address;
    (void)text;
    return true;
}

/* The worker's steps. */

static void write_to(struct side *side, size_t length, bool whole)
{
    static const uint8_t bytes[160 * 1024];

    if (side->endpoint == NULL || side->endpoint->eof_written || side->told >= ENDPOINT_CLOSED)
        return;
    if (!whole)
        endpoint_write(side->endpoint, bytes, length);
    else if (!endpoint_is_draining(side->endpoint))
        endpoint_send(side->endpoint, bytes, length / 2);
}

static void step_of_side(struct world *world, uint8_t what)
{
    struct side *side = &world->sides[input_byte(&world->input) % SIDES];
    uint8_t how = what % 8 >= 6 ? input_byte(&world->input) : 0;

    if (side->endpoint == NULL)
        return;
    switch (what % 8) {
    case 0: side_resume(side); break;
    case 1: side->takes = !side->takes; break;
    case 2: endpoint_write_eof(side->endpoint); break;
    case 3: side_close(side, false); break;
    case 4: side_close(side, true); break;
    case 5: side_give_away(side); break;
    case 6: write_to(side, (size_t)how * how * 2, false); break;
    case 7: write_to(side, (size_t)how * how * 2, true); break;
    }
}

static void step_of_session(struct world *world, uint8_t what)
{
    uint8_t how = input_byte(&world->input);

    switch (what % 8) {
    case 0: world_open(world, true, how); break;
    case 1: world_open(world, false, how); break;
    case 2: world_cancel(world, how); break;
    case 3: world_listen(world, how); break;
    case 4: world_listen_free(world, how); break;
    case 5: world_answer_forwarded(world, how); break;
    case 6: clock_skip(world->loop, (uint64_t)1 << how % 18); break;
    case 7: world_look(world, how); break;
    }
}

static void step_of_connection(struct world *world, uint8_t what)
{
    switch (what % 8) {
    case 0:
    case 1: world_settle(world); break;
    case 2: hostile_deliver(&world->server, 1 + input_byte(&world->input)); break;
    case 3: hostile_deliver(&world->server, (size_t)1024 * input_byte(&world->input)); break;
    case 4: world->server.deaf = !world->server.deaf; break;
    case 5: world_turn(world); break;
    case 6: world_cut(world, input_byte(&world->input)); break;
    case 7: world_end_session(world); break;
    }
}

static void step(struct world *world)
{
    uint8_t what = input_byte(&world->input);

    switch (what >> 5) {
    case 0:
    case 1:
    case 2: hostile_message(&world->server, what % 96, &world->input); break;
    case 3: step_of_side(world, what); break;
    case 4: step_of_session(world, what); break;
    case 5: step_of_connection(world, what); break;
    case 6:
        hostile_message(&world->server, what & 31, &world->input);
        world_settle(world);
        break;
    case 7: hostile_message(&world->server, what, &world->input); break;
    }
}

#define STEPS_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    uint8_t how = input_byte(&input);
    struct world world;

    log_setup(-1, how & 1 ? ADIT_LOG_DEBUG : ADIT_LOG_ERROR, ADIT_LOG_TEXT);
    for (size_t i = 0; i < EXPECTATIONS; i++)
        met[i] = (how & 2) != 0;
    if (!world_begin(&world, how >> 2, input))
        return 0;
    for (unsigned steps = 0; steps < STEPS_MAX && world.input.at < world.input.end; steps++)
        step(&world);
    world_end(&world);
    return 0;
}

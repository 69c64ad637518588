/* Fuzzes what a DNS server answers, as far as the resolver's answer to its callers: a name is
 * looked up over one TCP connection after another, each of which says what the input says.
 *
 * The input is a sequence of steps. A step is one byte: how long the message is, or what happens
 * else (see `step`). A message has the identifier of the question that came last, unless its first
 * byte says otherwise, and that question behind it. */
#include "io/resolver.h"

#include "../unit/test_clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNECTIONS_MAX 64
#define QUESTION_MAX 512

struct world {
    struct loop *loop;
    struct resolver *resolver;
    int server; /* our end of the connection that was dialled last; -1: none */
    unsigned dials;
    uint8_t question[QUESTION_MAX]; /* the last one, with its length before it */
    size_t question_length;
    struct resolve *resolve; /* NULL: none is under way */
    unsigned answers;
    enum resolve_status status;
    size_t count;
};

static int dial(void *arg, const struct ip *server, uint16_t port)
{
    struct world *world = arg;
    int ends[2];

    (void)server;
    (void)port;
    if (world->dials++ == CONNECTIONS_MAX ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    if (world->server >= 0)
        close(world->server);
    world->server = ends[1];
    return ends[0];
}

/* Addresses are what a client can be connected to: none twice, and the families alternate while
 * there are both. */
static void check_addresses(const struct ip *addresses, size_t count)
{
    assert(count > 0 && count <= RESOLVER_ADDRESSES_MAX);
    for (size_t i = 0; i < count; i++)
        for (size_t other = 0; other < i; other++)
            assert(!ip_equal(&addresses[i], &addresses[other]));
}

static void on_done(void *arg, enum resolve_status status, const struct ip *addresses, size_t count,
                    const char *error)
{
    struct world *world = arg;

    assert(world->resolve != NULL);
    world->resolve = NULL;
    world->answers++;
    world->status = status;
    world->count = count;
    assert((status == RESOLVE_FOUND) == (error == NULL));
    if (status == RESOLVE_FOUND)
        check_addresses(addresses, count);
    else
        assert(count == 0 && *error != '\0');
}

static void turn(struct world *world)
{
    for (int i = 0; i < 3; i++)
        uv_run(loop_uv(world->loop), UV_RUN_NOWAIT);
}

/* Notes the last whole question that has come. */
static void read_questions(struct world *world)
{
    uint8_t bytes[4096];
    ssize_t got = world->server >= 0 ? recv(world->server, bytes, sizeof(bytes), MSG_DONTWAIT) : 0;
    size_t at = 0;

    while (got > 2 && at + 2 <= (size_t)got) {
        size_t length = 2 + ((size_t)bytes[at] << 8 | bytes[at + 1]);
        if (at + length > (size_t)got || length > QUESTION_MAX || length < 2 + 12)
            break;
        memcpy(world->question, bytes + at, length);
        world->question_length = length;
        at += length;
    }
}

/* What is between header and additional records of the question that came last. */
static size_t question_section(const struct world *world, const uint8_t **section)
{
    size_t at = 2 + 12;

    *section = world->question + at;
    while (at < world->question_length && world->question[at] != 0)
        at += 1 + (size_t)world->question[at];
    at += 1 + 4;
    return at <= world->question_length ? at - 14 : 0;
}

/* Sends a message whose header's flags and counts and whose records are the input's. */
static void say(struct world *world, const uint8_t *bytes, size_t length, bool plain)
{
    const uint8_t *section;
    size_t section_length = question_section(world, &section);
    uint8_t message[2 + 512 + QUESTION_MAX];
    size_t head = length < 10 ? length : 10; /* flags and counts */
    size_t all = 2;

    if (world->server < 0 || world->question_length == 0)
        return;
    memcpy(message + all, world->question + 2, 2);
    memcpy(message + all + 2, bytes, head);
    all += 2 + head;
    if (!plain && head == 10) {
        memcpy(message + all, section, section_length);
        all += section_length;
    }
    memcpy(message + all, bytes + head, length - head);
    all += length - head;
    message[0] = (uint8_t)((all - 2) >> 8);
    message[1] = (uint8_t)(all - 2);
    send(world->server, message, all, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void look_up(struct world *world, const char *name)
{
    if (world->resolve == NULL)
        world->resolve = resolver_lookup(world->resolver, name, on_done, world);
}

static void other_step(struct world *world, uint8_t what)
{
    switch (what & 7) {
    case 0: look_up(world, "a.example"); break;
    case 1: look_up(world, "b.example"); break;
    case 2: clock_skip(world->loop, (uint64_t)1 << (what >> 3 & 15)); break;
    case 3:
        if (world->server >= 0)
            shutdown(world->server, SHUT_RDWR);
        break;
    case 4:
        resolve_cancel(world->resolve);
        world->resolve = NULL;
        break;
    case 5: resolver_flush(world->resolver); break;
    default: break;
    }
}

/* Performs one step; returns how many bytes of the input it used. */
static size_t step(struct world *world, const uint8_t *data, size_t size)
{
    size_t length;

    if (data[0] & 0x80) {
        other_step(world, data[0]);
        return 1;
    }
    length = (size_t)(data[0] & 0x3f) * 4;
    if (length > size - 1)
        length = size - 1;
    read_questions(world);
    say(world, data + 1, length, (data[0] & 0x40) != 0);
    return 1 + length;
}

/* What waits is answered at the latest when its time is up; then nothing is left under way. */
static void finish(struct world *world)
{
    for (unsigned i = 0; i < 20 && (world->resolve != NULL || !resolver_is_idle(world->resolver));
         i++) {
        clock_skip(world->loop, RESOLVER_TIMEOUT_MS / 2);
        turn(world);
    }
    assert(world->resolve == NULL && resolver_is_idle(world->resolver));
    resolver_free(world->resolver);
    if (world->server >= 0)
        close(world->server);
    loop_free(world->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resolver_server servers[2] = {{.port = 53}, {.port = 54}};
    struct world world = {.loop = loop_new(), .server = -1};
    size_t at = 1;

    log_setup(-1, ADIT_LOG_ERROR, ADIT_LOG_TEXT);
    ip_parse("127.0.0.1", &servers[0].ip);
    ip_parse("127.0.0.1", &servers[1].ip);
    if (world.loop == NULL || size == 0) {
        loop_free(world.loop);
        return 0;
    }
    world.resolver = resolver_new(world.loop, &(struct resolver_options){
                                                  .servers = servers,
                                                  .server_count = 1 + (data[0] & 1),
                                                  .dial = dial,
                                                  .dial_arg = &world,
                                              });
    assert(world.resolver != NULL);
    look_up(&world, "a.example");
    turn(&world);
    while (at < size) {
        at += step(&world, data + at, size - at);
        turn(&world);
    }
    finish(&world);
    return 0;
}

/* What a worker does with the session of t/fuzz/session. */
#include "session_world.h"

#include "../unit/test_clock.h"
#include "io/socket_calls.h"
#include "session_libssh/handshake.h"
#include "session_libssh/libssh_session.h"
#include "session_libssh/logged_in.h"
#include "session_libssh/transport.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Logging in: what the dial thread does, without waiting. */

#define LOGIN_TURNS 64

/* As in handshake.c: libssh is to close the descriptor in every case. */
static void on_status(void *arg, float status)
{
    (void)status;
    ssh_options_set(*(ssh_session *)arg, SSH_OPTIONS_FD, NULL);
}

static void set_options(ssh_session handle, int fd)
{
    int no = 0;

    ssh_options_set(handle, SSH_OPTIONS_HOST, "server");
    ssh_options_set(handle, SSH_OPTIONS_USER, "user");
    ssh_options_set(handle, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(handle, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    ssh_options_set(handle, SSH_OPTIONS_KEY_EXCHANGE, "curve25519-sha256");
    ssh_options_set(handle, SSH_OPTIONS_HOSTKEYS, "ssh-ed25519");
    ssh_options_set(handle, SSH_OPTIONS_PROCESS_CONFIG, &no);
    ssh_options_set(handle, SSH_OPTIONS_FD, &fd);
    ssh_set_blocking(handle, 0);
}

static bool step_login(ssh_session handle, bool *connected)
{
    if (!*connected)
        *connected = ssh_connect(handle) == SSH_OK;
    return *connected && ssh_userauth_none(handle, NULL) == SSH_AUTH_SUCCESS;
}

/* Returns the session of libssh, which is logged in. */
static ssh_session log_in(struct hostile_server *server, int fd)
{
    static struct ssh_callbacks_struct no_callbacks = {.size = sizeof(no_callbacks)};
    ssh_session handle = ssh_new();
    struct ssh_callbacks_struct callbacks = {
        .size = sizeof(callbacks), .userdata = &handle, .connect_status_function = on_status};
    bool connected = false, done = false;

    assert(handle != NULL);
    set_options(handle, fd);
    ssh_set_callbacks(handle, &callbacks);
    for (unsigned turns = 0; turns < LOGIN_TURNS && !done; turns++) {
        hostile_deliver(server, SIZE_MAX);
        done = step_login(handle, &connected);
        hostile_hear(server);
    }
    ssh_set_callbacks(handle, &no_callbacks);
    if (!done)
        fail(ssh_get_error(handle));
    return handle;
}

static void on_dying(void *arg)
{
    struct world *world = arg;

    assert(!world->dying);
    world->dying = true;
}

static void on_lost(void *arg, const char *why)
{
    struct world *world = arg;

    assert(world->dying && !world->lost && *why != '\0');
    world->lost = true;
    for (size_t i = 0; i < OPENS; i++)
        assert(world->opens[i].open == NULL);
    for (size_t i = 0; i < LISTENS; i++)
        assert(world->listens[i].listen == NULL);
    for (size_t i = 0; i < FORWARDED; i++)
        assert(world->coming[i].forwarded == NULL);
    if (world->policy & 1)
        world_end_session(world);
}

bool world_begin(struct world *world, uint8_t how, struct input input)
{
    struct connection_info info = {.answer_ms = how & 4 ? 100 : 0};
    struct session_options options = {
        .name = "s", .keepalive_ms = how & 8 ? 0 : 15000, .keepalive_max = 3};
    bool buffered = (how & 1) == 0;
    ssh_session handle;
    int ends[2];

    *world = (struct world){.input = input, .loop = loop_new(), .policy = input_byte(&input)};
    world->input = input;
    if (world->loop == NULL || !socket_pair(false, ends)) {
        loop_free(world->loop);
        return false;
    }
    hostile_begin(&world->server, ends[1]);
    transport_watch(ends[0], &(struct transport_watcher){.arg = NULL});
    handle = log_in(&world->server, ends[0]);
    if (!transport_is_called())
        fail("libssh does not call this program's functions");
    assert(host_key_text(handle, info.host_key));
    options.dying = on_dying;
    options.lost = on_lost;
    options.arg = world;
    world->session = libssh_session_new(
        world->loop,
        libssh_logged_in_new(handle, fcntl(ends[0], F_DUPFD_CLOEXEC, 0), buffered, &info),
        &options);
    assert(world->session != NULL);
    return true;
}

/* Opening. */

bool world_is_up(const struct world *world)
{
    return world->session != NULL && !world->dying;
}

static void on_opened(void *arg, struct endpoint *endpoint, const struct open_failure *failure)
{
    struct opening *opening = arg;
    struct world *world = opening->world;
    const struct hostile_channel *far = hostile_channel(&world->server, opening->port);

    assert(opening->open != NULL && "an open is answered once");
    assert((endpoint == NULL) == (failure != NULL));
    opening->open = NULL;
    if (endpoint != NULL) {
        assert(!world->dying);
        side_begin(world, endpoint, opening->port, opening->policy);
        return;
    }
    assert(failure->text != NULL && failure->lost == world->dying);
    assert(failure->lost || far == NULL || far->refused || far->unclear || world->server.unclear);
}

void world_open(struct world *world, bool is_tcp, uint8_t policy)
{
    struct opening *opening = NULL;
    char path[16];

    for (size_t i = 0; i < OPENS; i++)
        if (world->opens[i].open == NULL)
            opening = &world->opens[i];
    if (!world_is_up(world) || opening == NULL || world->asked == HOSTILE_CHANNELS)
        return;
    *opening =
        (struct opening){.world = world, .port = PORT_OF_OPEN + world->asked++, .policy = policy};
    if (is_tcp) {
        opening->open = session_open_tcp(world->session,
                                         &(struct tcp_target){.host = "target.example",
                                                              .port = (uint16_t)opening->port,
                                                              .origin = "127.0.0.1",
                                                              .origin_port = 1},
                                         on_opened, opening);
    } else {
        snprintf(path, sizeof(path), "/%u", opening->port);
        opening->open = session_open_unix(world->session, path, on_opened, opening);
    }
    assert(opening->open != NULL);
}

void world_cancel(struct world *world, uint8_t which)
{
    struct opening *opening = &world->opens[which % OPENS];

    if (!world_is_up(world) || opening->open == NULL)
        return;
    session_open_cancel(opening->open);
    opening->open = NULL;
    world->cancelled++;
}

/* Remote forwards. */

static void on_answered(void *arg, const struct listen_answer *answer)
{
    struct listening *listening = arg;
    struct session_listen *listen = listening->listen;

    assert(listen != NULL && !listening->answered && !listening->world->dying);
    listening->answered = true;
    assert(answer->listens == (answer->port != 0));
    if (answer->listens)
        return;
    listening->listen = NULL;
    session_listen_free(listen);
}

static void on_forwarded_lost(void *arg)
{
    struct coming *coming = arg;

    assert(coming->forwarded != NULL && coming->world->dying);
    coming->forwarded = NULL;
}

static void on_forwarded(void *arg, struct forwarded_open *forwarded, const char *origin,
                         uint16_t origin_port)
{
    struct listening *listening = arg;
    struct world *world = listening->world;
    struct coming *coming = &world->coming[origin_port % FORWARDED];

    assert(listening->listen != NULL && listening->answered && !world->dying && origin != NULL);
    if (coming->forwarded != NULL) {
        forwarded_open_refuse(forwarded);
        return;
    }
    *coming = (struct coming){world, forwarded, origin_port};
    forwarded_open_own(forwarded, on_forwarded_lost, coming);
}

static void on_listen_lost(void *arg)
{
    struct listening *listening = arg;

    assert(listening->listen != NULL && listening->world->dying);
    listening->listen = NULL;
}

void world_listen(struct world *world, uint8_t how)
{
    static const struct session_listen_events events = {
        .answered = on_answered, .forwarded = on_forwarded, .lost = on_listen_lost};
    static const uint16_t ports[] = {0, 80, 8080, 80};
    struct listening *listening = &world->listens[how % LISTENS];

    if (!world_is_up(world) || listening->listen != NULL)
        return;
    *listening = (struct listening){.world = world};
    listening->listen = session_listen(world->session,
                                       &(struct listen_place){.forward = "f",
                                                              .bind = how & 16 ? "localhost" : "",
                                                              .port = ports[how >> 2 & 3]},
                                       &events, listening);
    assert(listening->listen != NULL && !listening->answered);
}

void world_listen_free(struct world *world, uint8_t which)
{
    struct listening *listening = &world->listens[which % LISTENS];
    struct session_listen *listen = listening->listen;

    if (!world_is_up(world) || listen == NULL)
        return;
    listening->listen = NULL;
    session_listen_free(listen);
}

void world_answer_forwarded(struct world *world, uint8_t how)
{
    struct forwarded_open *forwarded = NULL;
    uint32_t port = 0;

    for (size_t i = 0; i < FORWARDED && forwarded == NULL; i++) {
        struct coming *coming = &world->coming[(how + i) % FORWARDED];
        forwarded = coming->forwarded;
        coming->forwarded = NULL;
        port = coming->port;
    }
    if (forwarded == NULL)
        return;
    assert(world_is_up(world));
    if (how & 0x80)
        forwarded_open_refuse(forwarded);
    else
        side_begin(world, forwarded_open_accept(forwarded), port, how ^ 0x03);
}

/* The session. */

static size_t count_coming(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < FORWARDED; i++)
        count += world->coming[i].forwarded != NULL;
    return count;
}

static size_t count_opens(const struct world *world)
{
    size_t count = 0;

    for (size_t i = 0; i < OPENS; i++)
        count += world->opens[i].open != NULL;
    return count;
}

static void check_state(struct world *world)
{
    struct session_state state;

    if (world->session == NULL)
        return;
    session_state(world->session, &state);
    if (world->lost) {
        assert(state.channels == 0 && state.abandoned == 0 && state.oldest == NULL);
        return;
    }
    assert(state.abandoned <= world->cancelled);
    assert(state.channels ==
           count_opens(world) + state.abandoned + sides_count(world) + count_coming(world));
    assert((state.oldest != NULL) == (count_opens(world) + state.abandoned > 0));
}

void world_look(struct world *world, uint8_t how)
{
    struct ip peer;

    if (world->session == NULL)
        return;
    switch (how & 3) {
    case 0: session_tick(world->session); break;
    case 1: session_probe(world->session); break;
    case 2: session_check(world->session); break;
    case 3: assert(!session_peer(world->session, &peer)); break;
    }
}

void world_end_session(struct world *world)
{
    struct session *session = world->session;

    if (session == NULL || (world->dying && !world->lost))
        return;
    for (size_t i = 0; i < SIDES; i++)
        if (world->sides[i].endpoint != NULL)
            side_close(&world->sides[i], false);
    for (size_t i = 0; i < OPENS; i++)
        world_cancel(world, (uint8_t)i);
    for (size_t i = 0; i < FORWARDED; i++)
        world->coming[i].forwarded = NULL;
    for (size_t i = 0; i < LISTENS; i++)
        world->listens[i].listen = NULL;
    world->session = NULL;
    session_free(session);
}

/* Time. */

#define TURNS 12

void world_turn(struct world *world)
{
    uv_run(loop_uv(world->loop), UV_RUN_NOWAIT);
    hostile_hear(&world->server);
    check_state(world);
}

static void check_told(const struct world *world)
{
    for (size_t i = 0; i < OPENS; i++) {
        const struct opening *opening = &world->opens[i];
        const struct hostile_channel *far =
            opening->open != NULL
                ? hostile_channel((struct hostile_server *)&world->server, opening->port)
                : NULL;
        assert((far == NULL || far->unclear || (!far->confirmed && !far->refused)) &&
               "an open that was answered is told");
    }
    for (size_t i = 0; i < SIDES; i++)
        side_check_told(&world->sides[i]);
}

void world_settle(struct world *world)
{
    bool all = false;

    for (unsigned turns = 0; turns < TURNS || (!all && turns < 8 * TURNS); turns++) {
        all = hostile_deliver(&world->server, SIZE_MAX);
        world_turn(world);
    }
    if (all && world_is_up(world) && !world->server.unclear && !world->server.deaf)
        check_told(world);
}

void world_cut(struct world *world, uint8_t how)
{
    if (how & 4) /* (not each time that an input says so) */
        shutdown(world->server.fd, how & 1 ? SHUT_WR : SHUT_RDWR);
}

void world_end(struct world *world)
{
    struct pollfd end = {.fd = world->server.fd};

    world_settle(world);
    if (world->policy & 2) {
        shutdown(world->server.fd, SHUT_RDWR);
        world_settle(world);
        assert(world->session == NULL || world->lost);
    }
    world_end_session(world);
    loop_free(world->loop);
    assert(poll(&end, 1, 0) >= 0);
    assert((end.revents & POLLHUP) != 0 && "no descriptor is left");
    hostile_end(&world->server);
}

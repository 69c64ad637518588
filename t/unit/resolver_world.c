/* The world of the resolver's tests. */
#include "resolver_world.h"

/* ---- how the server is reached */

static void note_dial(struct world *w, const struct ip *server, uint16_t port)
{
    char ip[IP_TEXT_MAX];

    w->dials++;
    snprintf(w->logged_in, sizeof(w->logged_in), "%s %u", ip_format(server, ip), (unsigned)port);
}

int dial_pair(void *arg, const struct ip *server, uint16_t port)
{
    struct world *w = arg;
    int fds[2];

    note_dial(w, server, port);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return -1;
    dns_server_adopt(&w->server, fds[1]);
    return fds[0];
}

int dial_nothing(void *arg, const struct ip *server, uint16_t port)
{
    note_dial(arg, server, port);
    return -1;
}

int dial_but_port_1(void *arg, const struct ip *server, uint16_t port)
{
    return port == 1 ? dial_nothing(arg, server, port) : dial_pair(arg, server, port);
}

int dial_silent_port_2(void *arg, const struct ip *server, uint16_t port)
{
    struct world *w = arg;

    if (port == 2) {
        w->silent_dials++;
        w->server.mute = 1;
    }
    return dial_pair(arg, server, port);
}

/* ---- the world */

void use_server(struct world *w, const char *ip, uint16_t port,
                int (*dial)(void *, const struct ip *, uint16_t), int timeout_ms)
{
    struct resolver_server server = {.port = port};
    struct resolver_options options = {
        .servers = &server,
        .server_count = 1,
        .dial = dial,
        .dial_arg = w,
        .timeout_ms = timeout_ms,
    };

    assert_true(ip_parse(ip, &server.ip));
    resolver_free(w->resolver);
    w->resolver = resolver_new(w->loop, &options);
    assert_non_null(w->resolver);
}

int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    w->loop = loop_new();
    dns_server_start(&w->server, w->loop);
    use_server(w, "127.0.0.1", w->server.port, NULL, 0);
    *state = w;
    return 0;
}

int tear_down(void **state)
{
    struct world *w = *state;

    resolver_free(w->resolver);
    dns_server_stop(&w->server);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void note_result(void *arg, enum resolve_status status, const struct ip *addresses,
                        size_t count, const char *error)
{
    struct result *result = arg;
    struct world *w = result->world;
    const char *also = result->looks_up_too;
    size_t used = 0;

    result->calls++;
    result->inside |= w->looking_up;
    result->resolve = NULL;
    result->status = status;
    result->addresses[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char ip[IP_TEXT_MAX];
        used += (size_t)snprintf(result->addresses + used, sizeof(result->addresses) - used, "%s%s",
                                 i > 0 ? " " : "", ip_format(&addresses[i], ip));
    }
    snprintf(result->error, sizeof(result->error), "%s", error != NULL ? error : "");
    if (result->cancels != NULL && result->cancels->resolve != NULL) {
        resolve_cancel(result->cancels->resolve);
        result->cancels->resolve = NULL;
        w->waiting--;
    }
    if (result->frees) {
        resolver_free(w->resolver);
        w->resolver = NULL;
    }
    result->looks_up_too = NULL;
    if (also != NULL)
        look_up(w, also, result);
    if (--w->waiting == 0)
        loop_stop(w->loop);
}

void look_up(struct world *w, const char *name, struct result *result)
{
    result->world = w;
    w->waiting++;
    w->looking_up = true;
    result->resolve = resolver_lookup(w->resolver, name, note_result, result);
    w->looking_up = false;
    assert_non_null(result->resolve);
}

static void guard_expired(struct deadline *guard)
{
    struct world *w = container_of(guard, struct world, guard);

    w->guard_expired = true;
    loop_stop(w->loop);
}

void await(struct world *w)
{
    deadline_arm(w->loop, &w->guard, GUARD_MS, guard_expired);
    loop_run(w->loop);
    deadline_cancel(&w->guard);
    assert_false(w->guard_expired);
    assert_int_equal(w->waiting, 0);
}

static void stop_turn(struct deadline *turn)
{
    loop_stop(container_of(turn, struct world, guard)->loop);
}

void run_a_little(struct world *w)
{
    deadline_arm(w->loop, &w->guard, 10, stop_turn);
    loop_run(w->loop);
}

void await_questions(struct world *w, unsigned count)
{
    uint64_t start = uv_hrtime();

    while (w->server.questions < count) {
        assert_true((uv_hrtime() - start) / 1000000 < GUARD_MS);
        run_a_little(w);
    }
}

void expect(const struct result *result, const char *name, enum resolve_status status,
            const char *addresses)
{
    if (result->calls != 1 || result->inside || result->status != status ||
        strcmp(result->addresses, addresses) != 0 ||
        (result->error[0] == '\0') != (status == RESOLVE_FOUND))
        fail_msg("%s: %u calls%s, status %d, \"%s\", error \"%s\"", name, result->calls,
                 result->inside ? " (inside the look-up)" : "", (int)result->status,
                 result->addresses, result->error);
}

void look_up_and_expect(struct world *w, const char *name, enum resolve_status status,
                        const char *addresses)
{
    struct result result = {0};

    look_up(w, name, &result);
    await(w);
    expect(&result, name, status, addresses);
}

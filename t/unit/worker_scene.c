/* Real workers, whose loops the test turns. */
#include "worker_scene.h"

#include "test_clock.h"

#include <stdio.h>

struct worker_scene scene;

#define SETTLING_TURNS 12

/* ---- the main thread's part */

static void scene_grow(struct session_table *table)
{
    (void)table;
    scene.grows++;
}

static void scene_session_is_up(struct session_table *table, int slot)
{
    (void)table, (void)slot;
    scene.ups++;
}

static void scene_session_is_lost(struct session_table *table, int slot, const char *why)
{
    session_table_set_slot(table, slot, SLOT_EMPTY);
    scene.losses++;
    scene.lost_slot = slot;
    snprintf(scene.lost_why, sizeof(scene.lost_why), "%s", why != NULL ? why : "");
}

static void scene_listen_answered(struct forwards *forwards, uint64_t order,
                                  const struct listen_answer *answer)
{
    (void)forwards;
    scene.listens++;
    scene.listen_order = order;
    scene.listen_port = answer->port;
}

static const struct main_events scene_events = {
    .grow = scene_grow,
    .session_up = scene_session_is_up,
    .session_lost = scene_session_is_lost,
    .listen_answered = scene_listen_answered,
};

/* ---- the scene */

static void set_up_workers(unsigned count)
{
    fake_engine_reset();
    scene = (struct worker_scene){.lost_slot = -1};
    scene.gateway.workers.main_events = &scene_events;
    for (unsigned i = 0; i < count; i++) {
        scene.gateway.each[i] = worker_new(&scene.gateway.workers, i);
        scene.loops[i] = scene.gateway.each[i]->loop;
    }
    gateway_scene_init(&scene.gateway, scene.loops[0], count);
}

int scene_set_up(void **state)
{
    (void)state;
    set_up_workers(1);
    return 0;
}

int scene_set_up_two(void **state)
{
    (void)state;
    set_up_workers(2);
    return 0;
}

static bool all_stopped(void)
{
    for (unsigned i = 0; i < scene.gateway.workers.count; i++)
        if (!scene.gateway.each[i]->stopping)
            return false;
    return true;
}

void scene_stop(void)
{
    for (unsigned i = 0; i < scene.gateway.workers.count; i++)
        worker_send_stop(scene.gateway.each[i]);
    UNTIL(all_stopped());
    scene_settle();
}

int scene_tear_down(void **state)
{
    (void)state;
    if (!all_stopped())
        scene_stop();
    fake_engine_check();
    assert_int_equal(scene_clients(), 0);
    gateway_scene_clear(&scene.gateway);
    for (unsigned i = 0; i < scene.gateway.workers.count; i++)
        worker_free(scene.gateway.each[i]);
    return 0;
}

void scene_settle(void)
{
    for (int turn = 0; turn < SETTLING_TURNS; turn++)
        for (unsigned i = 0; i < scene.gateway.workers.count; i++)
            uv_run(loop_uv(scene.loops[i]), UV_RUN_NOWAIT);
}

void scene_skip(uint64_t milliseconds)
{
    for (unsigned i = 0; i < scene.gateway.workers.count; i++)
        clock_skip(scene.loops[i], i == 0 ? milliseconds : 0);
    scene_settle();
}

void scene_configure(const char *upstream, const char *text)
{
    char *upstreams = mem_printf("[upstream a]\nhost = h\nhost_key = accept-new\n"
                                 "ssh_config = no\n%s[upstream b]\nhost = i\n"
                                 "host_key = accept-new\nssh_config = no\n%s",
                                 upstream, upstream);

    generation_unref(gateway_scene_use(&scene.gateway, gateway_scene_load(upstreams, text)));
    free(upstreams);
}

struct fake_session *scene_session(int slot, int worker)
{
    struct session_table *table = scene.gateway.tables[0];
    const struct fake_session *before = TAILQ_LAST(&fake.sessions, fake_session_list);

    gateway_scene_slot(&scene.gateway, 0, slot, worker, SLOT_DIALLING);
    atomic_store(&table->slots[slot].worker, worker);
    worker_send_session(scene.gateway.each[worker], table, slot, fake_logged_in(),
                        config_upstream(scene.gateway.generation->config, "a"));
    UNTIL(TAILQ_LAST(&fake.sessions, fake_session_list) != before);
    return TAILQ_LAST(&fake.sessions, fake_session_list);
}

unsigned scene_outcomes(enum outcome outcome)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < scene.gateway.workers.count; i++)
        n += metric_get(&worker_metrics(scene.gateway.each[i])->outcomes[outcome]);
    return (unsigned)n;
}

unsigned scene_clients(void)
{
    return atomic_load(&scene.gateway.workers.clients);
}

/* ---- clients */

/* Those of forwards, too. */
static const struct config_listen *listen_of(const char *name)
{
    const struct config_listen *listen;

    for (size_t i = 0;; i++) {
        listen = config_listen_at(scene.gateway.generation->config, i);
        assert_non_null(listen);
        if (strcmp(listen->name, name) == 0)
            return listen;
    }
}

void client_connects(const char *listen, int worker, const struct accepted *connection)
{
    worker_accept(scene.gateway.each[worker], scene.gateway.generation, listen_of(listen),
                  connection);
}

int client_of(const char *listen, int worker)
{
    struct accepted connection = {.from_ip = true, .peer_port = 5555};
    int fds[2];

    tcp_pair(fds);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
    assert_true(ip_parse("192.0.2.7", &connection.peer));
    connection.fd = fds[1];
    client_connects(listen, worker, &connection);
    return fds[0];
}

int client_comes(const char *listen)
{
    return client_of(listen, 0);
}

void client_says(int fd, const void *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

void client_says_text(int fd, const char *text)
{
    client_says(fd, text, strlen(text));
}

/* recv(2) once there is something to be had. */
static ssize_t client_receives(int fd, void *bytes, size_t size)
{
    ssize_t n;

    UNTIL((n = recv(fd, bytes, size, 0)) >= 0 || errno != EAGAIN);
    return n;
}

void client_hears(int fd, const void *bytes, size_t length)
{
    char got[1024];
    size_t have = 0;

    assert_true(length <= sizeof(got));
    while (have < length) {
        ssize_t n = client_receives(fd, got + have, length - have);
        if (n <= 0)
            fail_msg("%zu bytes of %zu, then the end", have, length);
        have += (size_t)n;
    }
    assert_memory_equal(got, bytes, length);
}

void client_hears_text(int fd, const char *text)
{
    client_hears(fd, text, strlen(text));
}

void client_hears_nothing(int fd)
{
    char byte;

    scene_settle();
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

void client_hears_end(int fd)
{
    char byte;

    assert_int_equal(client_receives(fd, &byte, 1), 0);
}

void client_is_cut(int fd)
{
    char byte;

    assert_int_equal(client_receives(fd, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
}

void client_asks(int fd, const char *name)
{
    uint8_t request[300] = {5, 1, 0, 5, 1, 0, 3};
    size_t length = strlen(name);

    request[7] = (uint8_t)length;
    memcpy(request + 8, name, length);
    request[8 + length] = 0;
    request[9 + length] = 80;
    client_says(fd, request, 10 + length);
    client_hears(fd, (const uint8_t[]){5, 0}, 2);
}

void client_is_told(int fd, uint8_t reply)
{
    client_hears(fd, (const uint8_t[]){5, reply, 0, 1, 0, 0, 0, 0, 0, 0}, 10);
}

/* A main thread, three workers and their listening sockets, for the tests of gateway/listeners with
 * worker/accept_duty. The workers' loops are turned by the test, one at a time. */
#ifndef ADIT_T_LISTEN_SOCKETS_SCENE_H
#define ADIT_T_LISTEN_SOCKETS_SCENE_H

#include "gateway/keeper_link.h"
#include "keeper/bound_sockets.h"

#include "gateway_scene.h"
#include "worker/client_parts.h"
#include "listener_test.h"

#define WORKERS SCENE_WORKERS

#define UPSTREAMS                                                                                  \
    "[upstream a]\nhost = h\nhost_key = accept-new\nssh_config = no\n"                             \
    "[upstream b]\nhost = i\nhost_key = accept-new\nssh_config = no\n"
#define LISTENER(name, via) "[listen " name "]\naddress = 127.0.0.1:0\nvia = " via "\n"

struct listeners_scene {
    struct gateway_scene gateway;
    struct bound_sockets *bound; /* the keeper's */
    uint32_t last_id;            /* that the gateway was given */
    struct listeners *listeners;
    unsigned gone; /* how often the last connection ended while draining */
};

static struct listeners_scene *scene;
static char error[BOUND_SOCKETS_ERROR_MAX];

/* ---- the main thread's part */

static inline void assign(void)
{
    listeners_assign(scene->listeners, scene->gateway.generation);
}

/* What the keeper sends of a socket, which the gateway reads. */
static inline void give_socket(void *arg, const struct bound_socket_info *info)
{
    struct given_sockets *given = arg;
    struct buffer packet = {0};
    struct keeper_message message;
    int fd = info->id > scene->last_id ? dup(info->fd) : -1;

    assert_true(keeper_message_write(
        &packet, KEEPER_SOCKET, (const uint32_t[]){info->id, info->index, info->port, info->left},
        &info->name, 1));
    assert_true(keeper_message_parse((struct span){buffer_data(&packet), buffer_length(&packet)},
                                     fd >= 0, false, &message));
    given_sockets_add(given, &message, &fd);
    assert_int_equal(fd, -1);
    buffer_clear(&packet);
}

static inline void note_id(void *arg, const struct bound_socket_info *info)
{
    (void)arg;
    if (info->id > scene->last_id)
        scene->last_id = info->id;
}

/* As a reload does it. */
static inline bool load(const char *text)
{
    struct config *config = gateway_scene_load(UPSTREAMS, text);
    struct given_sockets given = {0};
    bool ok = bound_sockets_prepare(scene->bound, config, NULL, error);

    if (ok) {
        bound_sockets_each(scene->bound, give_socket, &given);
        bound_sockets_each(scene->bound, note_id, NULL);
        listeners_change(scene->listeners, config, given.listeners, given.listener_count);
        given_sockets_clear(&given);
    }
    bound_sockets_commit(scene->bound, ok);
    if (!ok) {
        config_unref(config);
        return false;
    }
    generation_unref(gateway_scene_use(&scene->gateway, config));
    assign();
    return true;
}

/* As both processes do when adit ends. */
static inline void close_all(void)
{
    listeners_close(scene->listeners);
    bound_sockets_close(scene->bound, true);
}

static inline void session_up(int table, int slot, int worker)
{
    gateway_scene_slot(&scene->gateway, table, slot, worker, SLOT_UP);
    assign();
}

static inline void session_lost(int table, int slot)
{
    gateway_scene_slot(&scene->gateway, table, slot, 0, SLOT_EMPTY);
    assign();
}

/* ---- the workers' */

static inline void turn_all(void)
{
    for (int i = 0; i < WORKERS; i++)
        run_now(scene->gateway.each[i]->loop);
}

static inline unsigned connections(void)
{
    return atomic_load(&scene->gateway.workers.clients);
}

static inline unsigned served_by(int worker)
{
    return (unsigned)metric_get(&scene->gateway.each[worker]->metrics.accepted);
}

static inline void on_client_gone(struct workers *workers)
{
    if (atomic_load(&workers->clients) == 0)
        scene->gone++;
}

static inline void close_client(int fd)
{
    close(fd);
    for (int i = 0; i < 100 && connections() > 0; i++)
        turn_all();
    assert_int_equal(connections(), 0);
}

/* The worker that accepts a connection that waits: the one whose turn accepts it. -1: none. */
static inline int accepting_worker(void)
{
    unsigned before = connections();

    for (int i = 0; i < WORKERS; i++) {
        run_now(scene->gateway.each[i]->loop);
        if (connections() > before)
            return i;
    }
    return -1;
}

/* ---- the clients' */

struct wanted {
    const char *name;
    uint16_t port;
};

static inline void find_port(void *arg, const struct config_listen *listen, const char *address)
{
    struct wanted *wanted = arg;

    if (strcmp(listen->name, wanted->name) == 0)
        wanted->port = (uint16_t)atoi(strrchr(address, ':') + 1);
}

static inline int connect_to_listener(const char *name)
{
    struct wanted wanted = {.name = name};
    int fd;

    listeners_each(scene->listeners, find_port, &wanted);
    assert_int_not_equal(wanted.port, 0);
    fd = tcp_connect("127.0.0.1", wanted.port);
    assert_true(fd >= 0);
    return fd;
}

static inline int duty_of(const char *name)
{
    int fd, duty;

    turn_all();
    fd = connect_to_listener(name);
    duty = accepting_worker();
    close_client(fd);
    return duty;
}

static inline uint16_t free_port(void)
{
    uint16_t port = 0;

    close(tcp_listen("127.0.0.1", &port, 1));
    return port;
}

/* ---- the scene */

static inline int set_up(void **state)
{
    (void)state;
    scene = mem_zalloc(sizeof(*scene));
    gateway_scene_init(&scene->gateway, loop_new(), WORKERS);
    scene->gateway.workers.client_gone = on_client_gone;
    for (unsigned i = 0; i < WORKERS; i++)
        scene->gateway.each[i] = worker_new(&scene->gateway.workers, i);
    scene->listeners = listeners_new(&scene->gateway.workers);
    scene->bound = bound_sockets_new();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    listeners_free(scene->listeners);
    bound_sockets_free(scene->bound);
    for (int i = 0; i < WORKERS; i++) {
        worker_send_stop(scene->gateway.each[i]);
        loop_run(scene->gateway.each[i]->loop);
    }
    for (int i = 0; i < WORKERS; i++)
        worker_free(scene->gateway.each[i]);
    gateway_scene_clear(&scene->gateway);
    loop_free(scene->gateway.loop);
    free(scene);
    unlink(path);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

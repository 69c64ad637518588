/* A main thread, three workers and their listening sockets, for the tests of gateway/listeners with
 * worker/accept_duty. The workers' loops are turned by the test, one at a time. */
#ifndef ADIT_T_LISTEN_SOCKETS_SCENE_H
#define ADIT_T_LISTEN_SOCKETS_SCENE_H

#include "gateway/listeners.h"

#include "base/mem.h"
#include "worker/client_parts.h"
#include "listener_test.h"

#define WORKERS 3
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define UPSTREAMS                                                                                  \
    "[upstream a]\nhost = h\nhost_key = accept-new\nssh_config = no\n"                             \
    "[upstream b]\nhost = i\nhost_key = accept-new\nssh_config = no\n"
#define LISTENER(name, via) "[listen " name "]\naddress = 127.0.0.1:0\nvia = " via "\n"

struct scene {
    struct loop *loop; /* the main thread's */
    struct workers workers;
    struct worker *each[WORKERS];
    struct session_table *tables[2]; /* of a and b */
    struct generation *generation;
    struct listeners *listeners;
    unsigned gone; /* how often the last connection ended while draining */
};

static struct scene *scene;
static char error[LISTENERS_ERROR_MAX];

/* ---- the main thread's part */

static inline void assign(void)
{
    listeners_assign(scene->listeners, scene->generation);
}

/* As a reload does it. */
static inline bool load(const char *text)
{
    char *all = mem_printf("%s%s", UPSTREAMS, text);
    struct config_problems problems = {0};
    struct config *config = config_load_text("f", all, strlen(all), &problems);
    struct generation *before = scene->generation;
    bool ok;

    free(all);
    if (config == NULL)
        fail_msg("%s", problems.lines[0]);
    config_problems_clear(&problems);
    ok = listeners_change(scene->listeners, config, error);
    if (!ok) {
        config_unref(config);
        return false;
    }
    scene->generation = generation_new(config, scene->tables);
    generation_unref(before);
    assign();
    return true;
}

static inline void session_up(int table, int slot, int worker)
{
    atomic_store(&scene->tables[table]->slots[slot].worker, worker);
    session_table_set_slot(scene->tables[table], slot, SLOT_UP);
    assign();
}

static inline void session_lost(int table, int slot)
{
    session_table_set_slot(scene->tables[table], slot, SLOT_EMPTY);
    assign();
}

/* ---- the workers' */

static inline void turn_all(void)
{
    for (int i = 0; i < WORKERS; i++)
        run_now(scene->each[i]->loop);
}

static inline unsigned connections(void)
{
    return atomic_load(&scene->workers.clients);
}

static inline unsigned served_by(int worker)
{
    return (unsigned)metric_get(&scene->each[worker]->metrics.accepted);
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
        run_now(scene->each[i]->loop);
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
    log_setup(-1, ADIT_LOG_ERROR, ADIT_LOG_TEXT);
    scene = mem_zalloc(sizeof(*scene));
    scene->loop = loop_new();
    scene->workers.main_mailbox = mailbox_new(scene->loop, NULL);
    scene->workers.client_gone = on_client_gone;
    scene->workers.all = scene->each;
    for (unsigned i = 0; i < WORKERS; i++)
        scene->each[i] = worker_new(&scene->workers, i);
    scene->workers.count = WORKERS;
    for (size_t i = 0; i < COUNT(scene->tables); i++) {
        scene->tables[i] = session_table_new(i == 0 ? "a" : "b", NULL);
        atomic_store(&scene->tables[i]->max_channels, 10);
        atomic_store(&scene->tables[i]->max_sessions, 10);
    }
    scene->listeners = listeners_new(&scene->workers);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    listeners_free(scene->listeners);
    for (int i = 0; i < WORKERS; i++) {
        worker_send_stop(scene->each[i]);
        loop_run(scene->each[i]->loop);
    }
    for (int i = 0; i < WORKERS; i++)
        worker_free(scene->each[i]);
    mailbox_free(scene->workers.main_mailbox);
    loop_free(scene->loop);
    if (scene->generation != NULL)
        assert_int_equal(atomic_load(&scene->generation->references), 1);
    generation_unref(scene->generation);
    for (size_t i = 0; i < COUNT(scene->tables); i++)
        session_table_unref(scene->tables[i]);
    free(scene);
    unlink(path);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif

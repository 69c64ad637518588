/* Tests of gateway/listeners with worker/accept_duty: who accepts, and for how long. The workers'
 * loops are turned by the test, one at a time. */
#include "gateway/listeners.h"

#include "base/mem.h"
#include "worker/client_parts.h"
#include "listener_test.h"

#define WORKERS 3
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define UPSTREAMS                                                                                  \
    "[upstream a]\nhost = h\nhost_key = accept-new\nssh_config = no\n"                             \
    "[upstream b]\nhost = i\nhost_key = accept-new\nssh_config = no\n"
#define DOOR(name, via) "[listen " name "]\naddress = 127.0.0.1:0\nvia = " via "\n"

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

static void assign(void)
{
    listeners_assign(scene->listeners, scene->generation);
}

/* As a reload does it. */
static bool wants(const char *text)
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

static void session_up(int table, int slot, int worker)
{
    atomic_store(&scene->tables[table]->slots[slot].worker, worker);
    session_table_set_slot(scene->tables[table], slot, SLOT_UP);
    assign();
}

static void session_lost(int table, int slot)
{
    session_table_set_slot(scene->tables[table], slot, SLOT_EMPTY);
    assign();
}

/* ---- the workers' */

static void turn_all(void)
{
    for (int i = 0; i < WORKERS; i++)
        run_now(scene->each[i]->loop);
}

static unsigned connections(void)
{
    return atomic_load(&scene->workers.clients);
}

static unsigned served_by(int worker)
{
    return (unsigned)metric_get(&scene->each[worker]->metrics.accepted);
}

static void on_client_gone(struct workers *workers)
{
    if (atomic_load(&workers->clients) == 0)
        scene->gone++;
}

static void hang_up(int fd)
{
    close(fd);
    for (int i = 0; i < 100 && connections() > 0; i++)
        turn_all();
    assert_int_equal(connections(), 0);
}

/* Who accepts a connection that waits: whose turn brings it in. -1: nobody. */
static int who_accepts(void)
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

static void find_port(void *arg, const struct config_listen *listen, const char *address)
{
    struct wanted *wanted = arg;

    if (strcmp(listen->name, wanted->name) == 0)
        wanted->port = (uint16_t)atoi(strrchr(address, ':') + 1);
}

static int knock(const char *name)
{
    struct wanted wanted = {.name = name};
    int fd;

    listeners_each(scene->listeners, find_port, &wanted);
    assert_int_not_equal(wanted.port, 0);
    fd = tcp_connect("127.0.0.1", wanted.port);
    assert_true(fd >= 0);
    return fd;
}

static int duty_of(const char *name)
{
    int fd, duty;

    turn_all();
    fd = knock(name);
    duty = who_accepts();
    hang_up(fd);
    return duty;
}

static uint16_t free_port(void)
{
    uint16_t port = 0;

    close(tcp_listen("127.0.0.1", &port, 1));
    return port;
}

/* ---- the scene */

static int set_up(void **state)
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

static int tear_down(void **state)
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

/* ---- which worker */

static void without_sessions_listen_sockets_go_round_the_workers(void **state)
{
    (void)state;
    assert_true(wants(DOOR("one", "a") DOOR("two", "a") DOOR("three", "b") DOOR("four", "b")));
    assert_int_equal(duty_of("one"), 0);
    assert_int_equal(duty_of("two"), 1);
    assert_int_equal(duty_of("three"), 2);
    assert_int_equal(duty_of("four"), 0);
}

static void a_listen_socket_goes_to_the_worker_with_the_session_and_is_served_there(void **state)
{
    int fd;

    (void)state;
    assert_true(wants(DOOR("one", "a") DOOR("two", "b")));
    session_up(0, 0, 2);
    assert_int_equal(duty_of("one"), 2);
    assert_int_equal(duty_of("two"), 1);
    fd = knock("one");
    assert_int_equal(who_accepts(), 2);
    assert_int_equal(served_by(2), 2); /* without a turn of anybody else's */
    hang_up(fd);
}

static void who_keeps_it_goes_on_while_he_has_a_session(void **state)
{
    (void)state;
    assert_true(wants(DOOR("one", "a")));
    session_up(0, 0, 2);
    session_up(0, 1, 1);
    session_up(0, 2, 1);
    assert_int_equal(duty_of("one"), 2);
    session_lost(0, 0);
    assert_int_equal(duty_of("one"), 1);
    session_lost(0, 1);
    assert_int_equal(duty_of("one"), 1); /* (he has another) */
    session_lost(0, 2);
    assert_int_equal(duty_of("one"), 1); /* nobody has one, so he may as well go on */
    session_table_set_slot(scene->tables[0], 0, SLOT_DIALLING);
    assign();
    assert_int_equal(duty_of("one"), 1);
    session_up(0, 0, 0);
    assert_int_equal(duty_of("one"), 0);
}

static void assert_kept(const int expected[static WORKERS])
{
    static const char *const names[] = {"one", "two", "three", "four"};
    int kept[WORKERS] = {0};

    for (size_t i = 0; i < COUNT(names); i++)
        kept[duty_of(names[i])]++;
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(kept[i], expected[i]);
}

static void the_listen_sockets_of_one_upstream_spread_over_its_workers(void **state)
{
    (void)state;
    assert_true(wants(DOOR("one", "a") DOOR("two", "a") DOOR("three", "a") DOOR("four", "a")));
    session_up(0, 0, 1);
    assert_kept((const int[]){0, 4, 0});
    session_up(0, 1, 2);
    assert_kept((const int[]){0, 2, 2});
    assign();
    assert_kept((const int[]){0, 2, 2});
    session_lost(0, 0);
    assert_kept((const int[]){0, 0, 4});
    session_lost(0, 1);
    assert_kept((const int[]){0, 0, 4}); /* nobody runs about for nothing */
}

static void who_belongs_elsewhere_is_handed_on(void **state)
{
    struct session_slot *slots = scene->tables[0]->slots;
    int fd;

    (void)state;
    assert_true(wants(DOOR("one", "a")));
    session_up(0, 1, 2);
    session_up(0, 0, 0);
    turn_all();
    atomic_store(&slots[1].channels, 9);
    fd = knock("one");
    assert_int_equal(who_accepts(), 2);
    assert_int_equal(served_by(2), 0);
    run_now(scene->each[0]->loop);
    assert_int_equal(served_by(0), 1);
    assert_int_equal(connections(), 1);
    hang_up(fd);

    atomic_store(&slots[0].channels, 9);
    fd = knock("one"); /* of equal sessions his own */
    run_now(scene->each[2]->loop);
    assert_int_equal(served_by(2), 1);
    hang_up(fd);
}

static void without_sessions_those_who_come_go_round(void **state)
{
    int fds[WORKERS];

    (void)state;
    assert_true(wants(DOOR("one", "a")));
    turn_all();
    for (int i = 0; i < WORKERS; i++)
        fds[i] = knock("one");
    turn_all();
    turn_all();
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(served_by(i), 1);
    for (int i = 1; i < WORKERS; i++)
        close(fds[i]);
    hang_up(fds[0]);
}

/* ---- for how long */

static void who_comes_after_a_change_comes_by_the_new_configuration(void **state)
{
    struct generation *old;
    int fd;

    (void)state;
    assert_true(wants(DOOR("one", "a")));
    turn_all();
    old = generation_ref(scene->generation);
    assert_true(wants(DOOR("one", "b")));
    assert_int_equal(atomic_load(&old->references), 2); /* the worker knows nothing of it yet */
    turn_all();
    assert_int_equal(atomic_load(&old->references), 1);
    fd = knock("one");
    turn_all();
    assert_int_equal(connections(), 1);
    assert_int_equal(atomic_load(&scene->generation->references),
                     3); /* here, at the listen socket, his */
    hang_up(fd);
    generation_unref(old);
}

static void a_change_that_fails_changes_nothing(void **state)
{
    uint16_t taken = 0;
    int other = tcp_listen("127.0.0.1", &taken, 1);
    char *text = mem_printf("%s[listen two]\naddress = 127.0.0.1:%u\n", DOOR("new", "b"), taken);
    int fd;

    (void)state;
    assert_true(wants(DOOR("one", "a")));
    turn_all();
    assert_false(wants(text));
    assert_non_null(strstr(error, "Address already in use"));
    fd = knock("one");
    assert_int_equal(who_accepts(), 0);
    hang_up(fd);
    free(text);
    close(other);
}

static void nobody_comes_in_once_it_is_closed(void **state)
{
    uint16_t port = free_port();
    char *text = mem_printf("[listen one]\naddress = 127.0.0.1:%u, unix:%s\n", port, path);

    (void)state;
    assert_true(wants(text));
    turn_all();
    listeners_close(scene->listeners);
    /* The workers know nothing of it yet. */
    assert_int_equal(tcp_connect("127.0.0.1", port), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(unix_connect(), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(who_accepts(), -1);
    free(text);
}

static void an_address_can_be_closed_and_opened_at_once(void **state)
{
    uint16_t port = free_port();
    char *text = mem_printf("[listen two]\naddress = 127.0.0.1:%u, unix:%s\n", port, path);
    int fds[2];

    (void)state;
    assert_true(wants(text));
    turn_all();
    for (int i = 0; i < 3; i++) {
        /* The workers know nothing of it yet. */
        assert_true(wants(DOOR("one", "a")));
        assert_true(wants(text));
    }
    fds[0] = tcp_connect("127.0.0.1", port);
    fds[1] = unix_connect();
    assert_true(fds[0] >= 0 && fds[1] >= 0);
    turn_all();
    turn_all();
    assert_int_equal(connections(), 2);
    close(fds[1]);
    hang_up(fds[0]);
    free(text);
}

/* (A unix socket's queue outlives its end.) */
static void who_comes_as_the_draining_begins_is_counted(void **state)
{
    char *text = mem_printf("[listen one]\naddress = unix:%s\n", path);
    int fd;

    (void)state;
    assert_true(wants(text));
    session_up(0, 0, 0);
    turn_all();
    fd = unix_connect();
    assert_true(fd >= 0);
    atomic_store(&scene->workers.draining, true);
    listeners_close(scene->listeners);
    turn_all();
    assert_int_equal(connections(), 1);
    assert_int_equal(scene->gone, 0);
    hang_up(fd);
    assert_int_equal(scene->gone, 1);
    free(text);
}

/* ---- reloads */

/* Somebody is at the listen socket, whose accept duty is worker 2 and has not turned yet: he will
 * hear of him before he reads what he is sent now. */
static int knock_first(void)
{
    assert_true(wants(DOOR("one", "a")));
    session_up(0, 0, 2);
    turn_all();
    return knock("one");
}

/* By which generation the connection came in that a worker serves. */
static const struct generation *generation_at(int worker)
{
    const struct client *client = TAILQ_FIRST(&scene->each[worker]->clients);

    return client != NULL ? client->generation : NULL;
}

static void who_comes_before_the_worker_has_heard_of_a_reload_comes_by_it(void **state)
{
    int fd = knock_first();

    (void)state;
    assert_true(wants(DOOR("one", "a")));
    assert_int_equal(who_accepts(), 2);
    assert_ptr_equal(generation_at(2), scene->generation);
    hang_up(fd);
}

static void so_he_does_when_the_listen_socket_changes_hands_with_the_reload(void **state)
{
    int fd = knock_first();

    (void)state;
    atomic_store(&scene->tables[0]->slots[0].worker, 1);
    assert_true(wants(DOOR("one", "a")));
    run_now(scene->each[2]->loop);
    assert_int_equal(connections(), 1);
    run_now(scene->each[1]->loop);
    assert_ptr_equal(generation_at(1), scene->generation);
    hang_up(fd);
}

static void who_waits_for_a_reload_that_closes_the_listen_socket_is_let_go(void **state)
{
    char byte;
    int fd = knock_first();

    (void)state;
    atomic_fetch_add(&scene->workers.serial, 1); /* as said on another thread, meanwhile */
    assert_int_equal(who_accepts(), -1);
    listeners_close(scene->listeners);
    turn_all();
    assert_int_equal(connections(), 0);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_sessions_listen_sockets_go_round_the_workers),
        TEST(a_listen_socket_goes_to_the_worker_with_the_session_and_is_served_there),
        TEST(who_keeps_it_goes_on_while_he_has_a_session),
        TEST(the_listen_sockets_of_one_upstream_spread_over_its_workers),
        TEST(who_belongs_elsewhere_is_handed_on),
        TEST(without_sessions_those_who_come_go_round),
        TEST(who_comes_after_a_change_comes_by_the_new_configuration),
        TEST(a_change_that_fails_changes_nothing),
        TEST(nobody_comes_in_once_it_is_closed),
        TEST(an_address_can_be_closed_and_opened_at_once),
        TEST(who_comes_as_the_draining_begins_is_counted),
        TEST(who_comes_before_the_worker_has_heard_of_a_reload_comes_by_it),
        TEST(so_he_does_when_the_listen_socket_changes_hands_with_the_reload),
        TEST(who_waits_for_a_reload_that_closes_the_listen_socket_is_let_go),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

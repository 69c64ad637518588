/* Tests of gateway/listeners with worker/accept_duty: which worker accepts, and for how long. */
#include "listen_sockets_scene.h"

/* ---- which worker */

static void without_sessions_listen_sockets_go_round_the_workers(void **state)
{
    (void)state;
    assert_true(load(LISTENER("one", "a") LISTENER("two", "a") LISTENER("three", "b")
                         LISTENER("four", "b")));
    assert_int_equal(duty_of("one"), 0);
    assert_int_equal(duty_of("two"), 1);
    assert_int_equal(duty_of("three"), 2);
    assert_int_equal(duty_of("four"), 0);
}

static void a_listen_socket_goes_to_the_worker_with_the_session_and_is_served_there(void **state)
{
    int fd;

    (void)state;
    assert_true(load(LISTENER("one", "a") LISTENER("two", "b")));
    session_up(0, 0, 2);
    assert_int_equal(duty_of("one"), 2);
    assert_int_equal(duty_of("two"), 1);
    fd = connect_to_listener("one");
    assert_int_equal(accepting_worker(), 2);
    assert_int_equal(served_by(2), 2); /* no other loop has turned */
    close_client(fd);
}

static void the_worker_keeps_accepting_while_it_has_a_session(void **state)
{
    (void)state;
    assert_true(load(LISTENER("one", "a")));
    session_up(0, 0, 2);
    session_up(0, 1, 1);
    session_up(0, 2, 1);
    assert_int_equal(duty_of("one"), 2);
    session_lost(0, 0);
    assert_int_equal(duty_of("one"), 1);
    session_lost(0, 1);
    assert_int_equal(duty_of("one"), 1); /* (it has another session) */
    session_lost(0, 2);
    assert_int_equal(duty_of("one"), 1); /* no worker has a session */
    session_table_set_slot(scene->gateway.tables[0], 0, SLOT_DIALLING);
    assign();
    assert_int_equal(duty_of("one"), 1);
    session_up(0, 0, 0);
    assert_int_equal(duty_of("one"), 0);
}

static void assert_spread(const int expected[static WORKERS])
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
    assert_true(load(LISTENER("one", "a") LISTENER("two", "a") LISTENER("three", "a")
                         LISTENER("four", "a")));
    session_up(0, 0, 1);
    assert_spread((const int[]){0, 4, 0});
    session_up(0, 1, 2);
    assert_spread((const int[]){0, 2, 2});
    assign();
    assert_spread((const int[]){0, 2, 2});
    session_lost(0, 0);
    assert_spread((const int[]){0, 0, 4});
    session_lost(0, 1);
    assert_spread((const int[]){0, 0, 4}); /* no accept duty moves without need */
}

static void a_connection_goes_on_to_the_worker_with_the_session(void **state)
{
    struct session_slot *slots = scene->gateway.tables[0]->slots;
    int fd;

    (void)state;
    assert_true(load(LISTENER("one", "a")));
    session_up(0, 1, 2);
    session_up(0, 0, 0);
    turn_all();
    atomic_store(&slots[1].channels, 9);
    fd = connect_to_listener("one");
    assert_int_equal(accepting_worker(), 2);
    assert_int_equal(served_by(2), 0);
    run_now(scene->gateway.each[0]->loop);
    assert_int_equal(served_by(0), 1);
    assert_int_equal(connections(), 1);
    close_client(fd);

    atomic_store(&slots[0].channels, 9);
    fd = connect_to_listener("one"); /* of equal sessions its own */
    run_now(scene->gateway.each[2]->loop);
    assert_int_equal(served_by(2), 1);
    close_client(fd);
}

static void without_sessions_connections_go_round_the_workers(void **state)
{
    int fds[WORKERS];

    (void)state;
    assert_true(load(LISTENER("one", "a")));
    turn_all();
    for (int i = 0; i < WORKERS; i++)
        fds[i] = connect_to_listener("one");
    turn_all();
    turn_all();
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(served_by(i), 1);
    for (int i = 1; i < WORKERS; i++)
        close(fds[i]);
    close_client(fds[0]);
}

/* ---- for how long */

static void nothing_is_accepted_once_the_socket_is_closed(void **state)
{
    uint16_t port = free_port();
    char *text = mem_printf("[listen one]\naddress = 127.0.0.1:%u, unix:%s\n", port, path);

    (void)state;
    assert_true(load(text));
    turn_all();
    close_all();
    /* The workers have not read the message yet. */
    assert_int_equal(tcp_connect("127.0.0.1", port), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(unix_connect(), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(accepting_worker(), -1);
    free(text);
}

static void an_address_can_be_closed_and_opened_at_once(void **state)
{
    uint16_t port = free_port();
    char *text = mem_printf("[listen two]\naddress = 127.0.0.1:%u, unix:%s\n", port, path);
    int fds[2];

    (void)state;
    assert_true(load(text));
    turn_all();
    for (int i = 0; i < 3; i++) {
        /* The workers have not read the message yet. */
        assert_true(load(LISTENER("one", "a")));
        assert_true(load(text));
    }
    fds[0] = tcp_connect("127.0.0.1", port);
    fds[1] = unix_connect();
    assert_true(fds[0] >= 0 && fds[1] >= 0);
    turn_all();
    turn_all();
    assert_int_equal(connections(), 2);
    close(fds[1]);
    close_client(fds[0]);
    free(text);
}

/* (A unix socket's queue outlives its end.) */
static void connections_at_the_start_of_a_drain_are_counted(void **state)
{
    char *text = mem_printf("[listen one]\naddress = unix:%s\n", path);
    int fd;

    (void)state;
    assert_true(load(text));
    session_up(0, 0, 0);
    turn_all();
    fd = unix_connect();
    assert_true(fd >= 0);
    atomic_store(&scene->gateway.workers.draining, true);
    close_all();
    turn_all();
    assert_int_equal(connections(), 1);
    assert_int_equal(scene->gone, 0);
    close_client(fd);
    assert_int_equal(scene->gone, 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_sessions_listen_sockets_go_round_the_workers),
        TEST(a_listen_socket_goes_to_the_worker_with_the_session_and_is_served_there),
        TEST(the_worker_keeps_accepting_while_it_has_a_session),
        TEST(the_listen_sockets_of_one_upstream_spread_over_its_workers),
        TEST(a_connection_goes_on_to_the_worker_with_the_session),
        TEST(without_sessions_connections_go_round_the_workers),
        TEST(nothing_is_accepted_once_the_socket_is_closed),
        TEST(an_address_can_be_closed_and_opened_at_once),
        TEST(connections_at_the_start_of_a_drain_are_counted),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

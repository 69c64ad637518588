/* Tests of gateway/listeners with worker/accept_duty: connections that come during a reload. */
#include "listen_sockets_scene.h"

/* A connection waits at the listening socket. Worker 2 accepts there, and its loop has not turned
 * yet: it reads the messages that the test causes before it accepts. */
static int connect_first(void)
{
    assert_true(load(LISTENER("one", "a")));
    session_up(0, 0, 2);
    turn_all();
    return connect_to_listener("one");
}

/* The generation of the connection that a worker serves; NULL: it serves none. */
static const struct generation *generation_of(int worker)
{
    const struct client *client = TAILQ_FIRST(&scene->gateway.each[worker]->clients);

    return client != NULL ? client->generation : NULL;
}

static void connections_before_the_worker_reads_of_a_reload_belong_to_it(void **state)
{
    int fd = connect_first();

    (void)state;
    assert_true(load(LISTENER("one", "a")));
    assert_int_equal(accepting_worker(), 2);
    assert_ptr_equal(generation_of(2), scene->gateway.generation);
    close_client(fd);
}

static void so_they_do_when_the_reload_gives_the_socket_to_another_worker(void **state)
{
    int fd = connect_first();

    (void)state;
    atomic_store(&scene->gateway.tables[0]->slots[0].worker, 1);
    assert_true(load(LISTENER("one", "a")));
    run_now(scene->gateway.each[2]->loop);
    assert_int_equal(connections(), 1);
    run_now(scene->gateway.each[1]->loop);
    assert_ptr_equal(generation_of(1), scene->gateway.generation);
    close_client(fd);
}

static void connections_that_wait_for_a_reload_are_closed_if_it_closes_the_socket(void **state)
{
    char byte;
    int fd = connect_first();

    (void)state;
    atomic_fetch_add(&scene->gateway.workers.serial, 1); /* as another thread does it meanwhile */
    assert_int_equal(accepting_worker(), -1);
    close_all();
    turn_all();
    assert_int_equal(connections(), 0);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

static void connections_after_a_change_belong_to_the_new_configuration(void **state)
{
    struct generation *old;
    int fd;

    (void)state;
    assert_true(load(LISTENER("one", "a")));
    turn_all();
    old = generation_ref(scene->gateway.generation);
    assert_true(load(LISTENER("one", "b")));
    assert_int_equal(atomic_load(&old->references),
                     2); /* the worker has not read the message yet */
    turn_all();
    assert_int_equal(atomic_load(&old->references), 1);
    fd = connect_to_listener("one");
    turn_all();
    assert_int_equal(connections(), 1);
    assert_int_equal(atomic_load(&scene->gateway.generation->references),
                     3); /* the test's, the accept duty's, the client's */
    close_client(fd);
    generation_unref(old);
}

static void a_change_that_fails_changes_nothing(void **state)
{
    uint16_t taken = 0;
    int other = tcp_listen("127.0.0.1", &taken, 1);
    char *text =
        mem_printf("%s[listen two]\naddress = 127.0.0.1:%u\n", LISTENER("new", "b"), taken);
    int fd;

    (void)state;
    assert_true(load(LISTENER("one", "a")));
    turn_all();
    assert_false(load(text));
    assert_non_null(strstr(error, "Address already in use"));
    fd = connect_to_listener("one");
    assert_int_equal(accepting_worker(), 0);
    close_client(fd);
    free(text);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_before_the_worker_reads_of_a_reload_belong_to_it),
        TEST(so_they_do_when_the_reload_gives_the_socket_to_another_worker),
        TEST(connections_that_wait_for_a_reload_are_closed_if_it_closes_the_socket),
        TEST(connections_after_a_change_belong_to_the_new_configuration),
        TEST(a_change_that_fails_changes_nothing),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

/* Tests of gateway/pool and gateway/dial_attempt: when a host is dialled again. */
#include "pool_scene.h"

#define CONNECT_TIMEOUT_MS 15000

/* ---- dials that fail */

static const struct failing {
    enum dial_status status;
    uint64_t least_ms; /* of the first wait */
    uint64_t most_ms;
} failing[] = {
    {DIAL_TRANSPORT, 500, 1000},
    {DIAL_HOST_KEY, 5000, 10000},
    {DIAL_AUTHENTICATION, 5000, 10000},
};

static void a_failed_dial_is_tried_again_by_its_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(failing); i++) {
        unsigned before = fake.dials_started;
        char *alias = mem_printf("127.0.0.%zu", i + 3); /* another host's record */
        struct pool *pool;
        int listener = tcp_listen(alias, &pools.port, 8);
        fake.script.dials = FAKE_NO;
        fake.script.dial_status = failing[i].status;
        pool = pool_at(0, alias, "sessions = 1-3\n");
        UNTIL(pools.failures == 2 * i + 1);
        assert_string_equal(state_of(pool).error, "as scripted");
        assert_true(state_of(pool).retrying);
        assert_in_range(state_of(pool).retry_ms, failing[i].least_ms - 50, failing[i].most_ms);
        scene_skip(failing[i].least_ms - 100);
        dials_stay(before + 1);
        scene_skip(failing[i].most_ms - failing[i].least_ms + 100);
        UNTIL(pools.failures == 2 * i + 2);
        assert_int_equal(fake.dials_started, before + 2);
        /* Twice as long now. */
        assert_in_range(state_of(pool).retry_ms, 2 * failing[i].least_ms - 50,
                        2 * failing[i].most_ms);
        pool_goes(0);
        close(listener);
        free(alias);
    }
}

static void a_host_that_nobody_reaches_is_tried_soon(void **state)
{
    struct pool *pool;

    (void)state;
    host_goes_down();
    pool = pool_with("sessions = 1-3\n");
    UNTIL(pools.failures == 1);
    assert_non_null(strstr(pools.error, "Connection refused"));
    assert_int_equal(fake.dials_started, 0);
    assert_in_range(state_of(pool).retry_ms, 100, 250);
    assert_int_equal(metric_get(&pools.room.metrics.dials_unreachable), 1);
    host_comes_up();
    scene_skip(250);
    UNTIL(up(pool) == 1);
}

static void while_clients_wait_an_unreachable_host_is_tried_each_second(void **state)
{
    struct pool *pool;

    (void)state;
    host_goes_down();
    pool = pool_with("sessions = 1-3\n");
    for (unsigned n = 1; n <= 9; n++) {
        UNTIL(pools.failures == n);
        assert_true(state_of(pool).retrying);
        scene_skip(n < 9 ? state_of(pool).retry_ms : 0);
    }
    assert_in_range(state_of(pool).retry_ms, 14900, 30000);
    atomic_store(&pool_table(pool)->waiting, 1);
    scene_skip(1000);
    pool_tick(pool);
    assert_true(state_of(pool).dialling == 1 || pools.failures == 10);
    UNTIL(pools.failures == 10);
    assert_in_range(state_of(pool).retry_ms, 100, 1000);
    atomic_store(&pool_table(pool)->waiting, 0);
}

static void retry_now_helps_but_where_a_person_has_to(void **state)
{
    struct pool *pool;

    (void)state;
    fake.script.dials = FAKE_NO;
    fake.script.dial_status = DIAL_TRANSPORT;
    pool = pool_with("sessions = 1-3\n");
    UNTIL(pools.failures == 1);
    assert_int_equal(state_of(pool).dialling, 0);
    fake.script.dial_status = DIAL_AUTHENTICATION;
    scene_skip(1);
    pool_retry_now(pool);
    assert_int_equal(state_of(pool).dialling, 1);
    UNTIL(pools.failures == 2);
    pool_retry_now(pool);
    assert_int_equal(state_of(pool).dialling, 0);
    dials_stay(2);
}

/* After a reload. */
static void forgotten_waits_help_where_a_person_has_been(void **state)
{
    struct pool *pool;
    atomic_int *cause;

    (void)state;
    fake.script.dials = FAKE_NO;
    fake.script.dial_status = DIAL_HOST_KEY;
    pool = pool_with("sessions = 1-3\n");
    cause = &pool_table(pool)->failing;
    UNTIL(pools.failures == 1);
    assert_int_equal(atomic_load(cause), DIAL_HOST_KEY);
    scene_skip(1);
    pool_forget_waits(pool);
    assert_int_equal(state_of(pool).dialling, 1);
    assert_int_equal(atomic_load(cause), DIAL_OK); /* (clients wait for this dial) */
    fake.script.dial_status = DIAL_TRANSPORT;
    UNTIL(pools.failures == 2);
    assert_int_equal(atomic_load(cause), DIAL_OK);
    scene_skip(1);
    fake.script.dials = FAKE_YES;
    pool_forget_waits(pool);
    UNTIL(up(pool) == 1);
}

static void a_login_that_takes_too_long_is_shut_down(void **state)
{
    struct pool *pool;

    (void)state;
    fake.script.dials = FAKE_NEVER;
    pool = pool_with("sessions = 1-3\n");
    UNTIL(fake_dial_at(0) != NULL);
    scene_skip(2 * CONNECT_TIMEOUT_MS - 100);
    assert_int_equal(pools.failures, 0);
    assert_false(fake_dial_at(0)->shut);
    scene_skip(200);
    UNTIL(pools.failures == 1);
    assert_string_equal(pools.error, "timed out while logging in");
    assert_true(state_of(pool).retrying);
}

/* ---- a person is asked */

static void a_person_may_take_their_time(void **state)
{
    struct pool *pool;

    (void)state;
    fake.script.dials = FAKE_NEVER;
    fake.script.dials_ask = true;
    pool = pool_with("sessions = 1-3\n");
    UNTIL(fake_dial_at(0) != NULL);
    pool_tick(pool);
    assert_true(atomic_load(&pool_table(pool)->asking));
    for (int i = 0; i < 10; i++)
        scene_skip(2 * CONNECT_TIMEOUT_MS);
    assert_false(fake_dial_at(0)->shut);
    fake_dial_answer(fake_dial_at(0), DIAL_OK);
    UNTIL(up(pool) == 1);
    pool_tick(pool);
    assert_false(atomic_load(&pool_table(pool)->asking));
}

static void a_host_that_asks_gets_one_dial_at_a_time_and_no_more_for_load(void **state)
{
    struct pool *pool;

    (void)state;
    fake.script.dials = FAKE_NEVER;
    fake.script.asks_anew = true;
    pool = pool_with("sessions = 3-8\n");
    for (unsigned n = 1; n <= 3; n++) {
        UNTIL(fake_dial_at(0) != NULL);
        scene_skip(1000);
        assert_int_equal(fake.dials_running, 1);
        fake_dial_end(fake_dial_at(0), DIAL_OK);
        UNTIL(up(pool) == n);
    }
    assert_int_equal(fake.most_running, 1);
    pool_is_asked(pool);
    scene_skip(1000);
    dials_stay(3);
}

/* ---- sessions that are lost */

static void a_lost_session_is_replaced_at_once(void **state)
{
    struct pool *pool = pool_with("sessions = 1-3\n");

    (void)state;
    UNTIL(up(pool) == 1);
    scene_skip(5000);
    for (unsigned n = 2; n < 5; n++) {
        fake_session_die(fake_session_at(0), "gone");
        dialled_at_once(pool, n);
        UNTIL(up(pool) == 1);
        scene_skip(5000);
    }
}

static void sessions_that_live_shortly_are_replaced_at_once_only_once(void **state)
{
    struct pool *pool = pool_with("sessions = 1-3\n");

    (void)state;
    UNTIL(up(pool) == 1);
    scene_skip(100);
    fake.script.dials = FAKE_NEVER; /* (a login takes its time) */
    fake_session_die(fake_session_at(0), "gone");
    dialled_at_once(pool, 2);
    scene_skip(100);
    fake.script.dials = FAKE_YES;
    fake_dial_end(fake_dial_at(0), DIAL_OK);
    UNTIL(up(pool) == 1);
    scene_skip(100);
    fake_session_die(fake_session_at(0), "gone");
    UNTIL(up(pool) == 0 && state_of(pool).retrying);
    assert_in_range(state_of(pool).retry_ms, 900, 2000);
    dials_stay(2);
    scene_skip(2000);
    UNTIL(up(pool) == 1);
    scene_skip(5000);
    pool_tick(pool); /* it has lived: what was before does not count */
    fake_session_die(fake_session_at(0), "gone");
    dialled_at_once(pool, 4);
    UNTIL(up(pool) == 1);
    scene_skip(100);
    fake_session_die(fake_session_at(0), "gone");
    dialled_at_once(pool, 5); /* the first short life again */
}

static void a_session_that_no_worker_can_drive_counts_as_lost(void **state)
{
    struct pool *pool;

    (void)state;
    fake.script.no_descriptors = true;
    fake.script.dials = FAKE_NEVER;
    pool = pool_with("sessions = 1-3\n");
    for (unsigned n = 1; n <= 2; n++) {
        UNTIL(fake_dial_at(0) != NULL);
        scene_skip(100); /* (a login takes its time) */
        fake_dial_end(fake_dial_at(0), DIAL_OK);
        if (n == 1)
            dialled_at_once(pool, 2);
    }
    UNTIL(state_of(pool).retrying);
    assert_int_equal(fake.logged_in, 0);
    fake.script.no_descriptors = false;
    fake.script.dials = FAKE_YES;
    scene_skip(2000);
    UNTIL(up(pool) == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pools_set_up, pools_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_failed_dial_is_tried_again_by_its_kind),
        TEST(a_host_that_nobody_reaches_is_tried_soon),
        TEST(while_clients_wait_an_unreachable_host_is_tried_each_second),
        TEST(retry_now_helps_but_where_a_person_has_to),
        TEST(forgotten_waits_help_where_a_person_has_been),
        TEST(a_login_that_takes_too_long_is_shut_down),
        TEST(a_person_may_take_their_time),
        TEST(a_host_that_asks_gets_one_dial_at_a_time_and_no_more_for_load),
        TEST(a_lost_session_is_replaced_at_once),
        TEST(sessions_that_live_shortly_are_replaced_at_once_only_once),
        TEST(a_session_that_no_worker_can_drive_counts_as_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

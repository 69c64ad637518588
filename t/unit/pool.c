/* Tests of gateway/pool: how many sessions there are, at which hosts, and what a reload does. The
 * dials that fail are pool_dials.c's. */
#include "pool_scene.h"

#include "gateway/pool_parts.h"

/* ---- how many */

static void a_pool_fills_to_its_least(void **state)
{
    struct pool *pool = pool_with("sessions = 3-5\n");

    (void)state;
    assert_int_equal(fake.dials_started, 0); /* (not from inside pool_new) */
    UNTIL(up(pool) == 3);
    UNTIL(pools.ups == 3);
    scene_skip(30000);
    pool_tick(pool);
    dials_stay(3);
    assert_true(pool_is_up(pool));
    assert_null(state_of(pool).error);
}

static void the_first_dial_of_a_host_is_alone(void **state)
{
    struct pool *pool;

    (void)state;
    fake.script.dials = FAKE_NEVER;
    pool = pool_with("sessions = 6\n");
    UNTIL(fake.dials_running == 1);
    scene_skip(1000);
    assert_int_equal(fake.dials_running, 1);
    fake_dial_end(fake_dial_at(0), DIAL_OK);
    UNTIL(fake.dials_running == 4); /* HOST_DIALS_MAX */
    scene_skip(1000);
    assert_int_equal(fake.dials_running, 4);
    fake_dial_end(fake_dial_at(0), DIAL_OK);
    UNTIL(up(pool) == 2);
    scene_skip(1000);
    assert_int_equal(fake.dials_started, 6);
    fake.script.dials = FAKE_YES;
    for (int i = 0; i < 4; i++)
        fake_dial_end(fake_dial_at(0), DIAL_OK);
    UNTIL(up(pool) == 6);
}

static void a_pool_grows_when_asked_and_no_further_than_it_may(void **state)
{
    struct pool *pool = pool_with("sessions = 1-3\n");

    (void)state;
    UNTIL(up(pool) == 1);
    for (unsigned n = 2; n <= 3; n++) {
        pool_is_asked(pool);
        UNTIL(up(pool) == n);
        dials_stay(n);
    }
    pool_is_asked(pool);
    dials_stay(3);
    assert_int_equal(state_of(pool).wanted, 3);
}

static void figures_are_those_of_the_session_that_is_up(void **state)
{
    struct pool *pool = pool_with("sessions = 1\n");
    struct pool_session session;

    (void)state;
    UNTIL(up(pool) == 1);
    fake_session_at(0)->added = (struct session_state){
        .bytes_in = 7, .bytes_out = 8, .round_trip_known = true, .round_trip_ms = 9};
    scene_skip(260); /* the worker publishes them */
    UNTIL(pool_session(pool, 0, &session) && session.bytes_in == 7);
    assert_int_equal(session.bytes_out, 8);
    assert_int_equal(session.round_trip_ms, 9);
    fake.script.dials = FAKE_NEVER;
    fake_session_die(fake_session_at(0), "test");
    UNTIL(fake.dials_running == 1);
    assert_true(pool_session(pool, 0, &session));
    assert_int_equal(session.state, SLOT_DIALLING);
    assert_int_equal(session.bytes_in, 0);
    assert_int_equal(session.bytes_out, 0);
    assert_int_equal(session.round_trip_ms, -1);
    fake_dial_end(fake_dial_at(0), DIAL_OK);
    UNTIL(up(pool) == 1);
    assert_true(pool_session(pool, 0, &session));
    assert_int_equal(session.bytes_in, 0);
    assert_int_equal(session.round_trip_ms, -1);
}

static void a_session_that_is_coming_suffices(void **state)
{
    struct pool *pool = pool_with("sessions = 1-8\nchannels = 2\n");

    (void)state;
    UNTIL(up(pool) == 1);
    fake.script.dials = FAKE_NEVER;
    for (int i = 0; i < 3; i++)
        pool_is_asked(pool);
    UNTIL(fake.dials_started == 2);
    dials_stay(2);
    /* Unless more is carried than it can take. */
    atomic_store(&pool_table(pool)->waiting, 7);
    pool_is_asked(pool);
    UNTIL(fake.dials_started == 4); /* 7 / 2 + 1 */
    dials_stay(4);
    atomic_store(&pool_table(pool)->waiting, 0);
}

static void idle_sessions_are_closed_down_to_the_least(void **state)
{
    struct pool *pool = pool_with("sessions = 1-3\nidle = 60s\n");

    (void)state;
    UNTIL(up(pool) == 1);
    pool_is_asked(pool);
    UNTIL(up(pool) == 2);
    pool_is_asked(pool);
    UNTIL(up(pool) == 3);
    atomic_store(&pool_table(pool)->slots[1].channels, 1);
    pool_tick(pool);
    scene_skip(59000);
    pool_tick(pool);
    assert_int_equal(up(pool), 3);
    scene_skip(1000);
    pool_tick(pool);
    assert_int_equal(up(pool), 1); /* (one had a channel, and one has to stay) */
    assert_int_equal(session_table_slot_state(pool_table(pool), 1), SLOT_UP);
    scene_skip(260); /* their worker closes them */
    UNTIL(fake_session_at(1) == NULL);
    UNTIL(session_table_slot_state(pool_table(pool), 0) == SLOT_EMPTY);
    scene_skip(120000);
    pool_tick(pool);
    assert_int_equal(up(pool), 1);
    dials_stay(3);
    atomic_store(&pool_table(pool)->slots[1].channels, 0);
}

/* ---- hosts */

static unsigned sessions_at(const struct pool *pool, const char *host)
{
    struct pool_session session;
    unsigned n = 0;

    for (int i = 0; i < SESSION_TABLE_SLOTS; i++)
        n += pool_session(pool, i, &session) && strncmp(session.host, host, strlen(host)) == 0;
    return n;
}

static void the_hosts_of_an_upstream_share_its_sessions(void **state)
{
    struct pool *pool = pool_at(0, "127.0.0.1, 127.0.0.2", "sessions = 2-4\n");

    (void)state;
    UNTIL(up(pool) == 2);
    assert_int_equal(sessions_at(pool, "127.0.0.1"), 1);
    pool_is_asked(pool);
    UNTIL(up(pool) == 3);
    pool_is_asked(pool);
    UNTIL(up(pool) == 4);
    assert_int_equal(sessions_at(pool, "127.0.0.1"), 2);
    assert_int_equal(sessions_at(pool, "127.0.0.2"), 2);
}

static void a_host_that_fails_leaves_the_sessions_to_the_others(void **state)
{
    struct pool *pool;

    (void)state;
    host_goes_down();
    pool = pool_at(0, "127.0.0.1, 127.0.0.2", "sessions = 4\n");
    UNTIL(up(pool) == 4);
    assert_int_equal(sessions_at(pool, "127.0.0.2"), 4);
}

/* A second passes; there are never fewer than four sessions. */
static void tick_of(struct pool *pool)
{
    scene_skip(1000);
    pool_tick(pool);
    assert_true(up(pool) >= 4);
}

/* Ticks until that holds. */
#define TICK_UNTIL(pool, condition)                                                                \
    for (int second = 0; !(condition); second++) {                                                 \
        assert_true(second < 300);                                                                 \
        tick_of(pool);                                                                             \
    }

static void a_host_that_returns_gets_sessions_again(void **state)
{
    struct pool *pool;
    unsigned dials;

    (void)state;
    host_goes_down();
    pool = pool_at(0, "127.0.0.1, 127.0.0.2", "sessions = 4\nidle = 1h\n");
    UNTIL(up(pool) == 4);
    assert_int_equal(sessions_at(pool, "127.0.0.1"), 0);
    host_comes_up();
    TICK_UNTIL(pool, sessions_at(pool, "127.0.0.1") == 2 && sessions_at(pool, "127.0.0.2") == 2);
    dials = fake.dials_started;
    for (int second = 0; second < 30; second++)
        tick_of(pool);
    dials_stay(dials);
    assert_int_equal(up(pool), 4);
    assert_int_equal(pools.failures, 1); /* (those that only look whether it is back are no news) */
}

static void the_session_that_carries_least_gives_way(void **state)
{
    struct pool *pool;
    struct session_table *table;

    (void)state;
    host_goes_down();
    pool = pool_at(0, "127.0.0.1, 127.0.0.2", "sessions = 4\nidle = 1h\n");
    table = pool_table(pool);
    UNTIL(up(pool) == 4);
    for (int i = 0; i < 4; i++)
        atomic_store(&table->slots[i].channels, i == 2 ? 1 : 5);
    host_comes_up();
    TICK_UNTIL(pool, session_table_slot_state(table, 2) == SLOT_RETIRING);
    for (int i = 0; i < 4; i++)
        assert_true(i == 2 || session_table_slot_state(table, i) == SLOT_UP);
    assert_int_equal(up(pool), 4);
    scene_skip(60000);
    assert_non_null(fake_session_at(2)); /* it carries something: nothing is cut */
    for (int i = 0; i < 4; i++)
        atomic_store(&table->slots[i].channels, 0);
    scene_skip(260);
    UNTIL(session_table_slot_state(table, 2) == SLOT_EMPTY);
}

/* (As one does whose host SRV records no longer name.) */
static void a_session_that_was_to_replace_another_may_have_to_go(void **state)
{
    struct pool *pool;
    struct session_table *table;

    (void)state;
    host_goes_down();
    pool = pool_at(0, "127.0.0.1, 127.0.0.2", "sessions = 4\nidle = 1h\n");
    table = pool_table(pool);
    UNTIL(up(pool) == 4);
    host_comes_up();
    TICK_UNTIL(pool, session_table_slot_state(table, 4) == SLOT_UP);
    atomic_store(&table->slots[4].channels, 1); /* it does not end soon */
    pool_retire(pool, 4);
    TICK_UNTIL(pool, session_table_slot_state(table, 5) == SLOT_UP);
    assert_int_equal(session_table_slot_state(table, 4), SLOT_RETIRING);
    atomic_store(&table->slots[4].channels, 0);
    scene_skip(260);
    UNTIL(session_table_slot_state(table, 4) == SLOT_EMPTY);
}

static void two_upstreams_share_the_record_of_a_host(void **state)
{
    (void)state;
    fake.script.dials = FAKE_NO;
    fake.script.dial_status = DIAL_AUTHENTICATION;
    pool_at(0, "127.0.0.1", "sessions = 1\n");
    UNTIL(pools.failures == 1);
    pool_at(1, "127.0.0.1", "sessions = 1\n");
    assert_true(state_of(pools.pools[1]).retrying);
    scene_skip(4500);
    dials_stay(1);
}

/* ---- reloads */

/* What a client does with a session of the pool. */
struct channel_of_test {
    struct endpoint *endpoint;
};

static void on_channel_opened(void *arg, struct endpoint *channel,
                              const struct open_failure *failure)
{
    struct channel_of_test *test = arg;

    assert_null(failure);
    test->endpoint = channel;
}

static void a_pool_takes_over_new_settings(void **state)
{
    struct pool *pool = pool_with("sessions = 1-3\n");

    (void)state;
    UNTIL(up(pool) == 1);
    pool_becomes(0, "sessions = 2-3\n");
    UNTIL(up(pool) == 2);
    dials_stay(2);
}

static void sessions_beyond_a_new_bound_are_closed(void **state)
{
    struct pool *pool = pool_with("sessions = 3\n");

    (void)state;
    UNTIL(up(pool) == 3);
    pool_becomes(0, "sessions = 1\n");
    assert_int_equal(up(pool), 3);
    pool_tick(pool);
    assert_int_equal(up(pool), 1);
    scene_skip(260);
    UNTIL(fake_session_at(1) == NULL);
    dials_stay(3);
}

static void the_sessions_of_a_pool_that_goes_end_with_their_channels(void **state)
{
    struct channel_of_test test = {0};
    struct pool *pool = pool_with("sessions = 2\n");
    struct session_table *table = session_table_ref(pool_table(pool));

    (void)state;
    UNTIL(up(pool) == 2);
    session_open_tcp(table->slots[0].session, &(struct tcp_target){.host = "web", .origin = "::"},
                     on_channel_opened, &test);
    UNTIL(test.endpoint != NULL);
    pool_goes(0);
    assert_int_equal(session_table_slot_state(table, 0), SLOT_RETIRING);
    scene_skip(260);
    UNTIL(fake_session_at(1) == NULL);
    scene_skip(1000);
    assert_non_null(fake_session_at(0)); /* it has a channel */
    endpoint_close(test.endpoint, false);
    scene_skip(260);
    UNTIL(fake_session_at(0) == NULL);
    scene_settle();
    assert_int_equal(atomic_load(&table->references), 1);
    session_table_unref(table);
    dials_stay(2);
}

static void a_pool_may_go_while_it_dials(void **state)
{
    const struct fake_dial *dial;

    (void)state;
    fake.script.dials = FAKE_NEVER;
    pool_with("sessions = 1\n");
    UNTIL((dial = fake_dial_at(0)) != NULL);
    pool_goes(0);
    assert_true(dial->cancelled);
    UNTIL(fake.dials_running == 0);
    assert_int_equal(fake.logged_in, 0);
}

static void a_pool_may_go_as_its_dial_ends(void **state)
{
    (void)state;
    fake.script.dials = FAKE_NEVER;
    pool_with("sessions = 1\n");
    UNTIL(fake_dial_at(0) != NULL);
    fake_dial_end(fake_dial_at(0), DIAL_OK); /* the message is on its way */
    pool_goes(0);
    UNTIL(fake.dials_running == 0);
    scene_settle();
    assert_null(TAILQ_FIRST(&fake.sessions));
}

/* The session is on its way to the worker. */
static void a_pool_may_go_before_its_session_is_up(void **state)
{
    struct pool *pool = pool_with("sessions = 1\n");
    struct session_table *table = session_table_ref(pool_table(pool));

    (void)state;
    UNTIL(fake.logged_in == 1 || fake_session_at(0) != NULL);
    pool_goes(0);
    UNTIL(fake_session_at(0) != NULL);
    scene_settle();
    assert_int_equal(session_table_slot_state(table, 0), SLOT_RETIRING);
    scene_skip(260);
    UNTIL(fake_session_at(0) == NULL);
    session_table_unref(table);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pools_set_up, pools_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pool_fills_to_its_least),
        TEST(the_first_dial_of_a_host_is_alone),
        TEST(a_pool_grows_when_asked_and_no_further_than_it_may),
        TEST(figures_are_those_of_the_session_that_is_up),
        TEST(a_session_that_is_coming_suffices),
        TEST(idle_sessions_are_closed_down_to_the_least),
        TEST(the_hosts_of_an_upstream_share_its_sessions),
        TEST(a_host_that_fails_leaves_the_sessions_to_the_others),
        TEST(a_host_that_returns_gets_sessions_again),
        TEST(the_session_that_carries_least_gives_way),
        TEST(a_session_that_was_to_replace_another_may_have_to_go),
        TEST(two_upstreams_share_the_record_of_a_host),
        TEST(a_pool_takes_over_new_settings),
        TEST(sessions_beyond_a_new_bound_are_closed),
        TEST(the_sessions_of_a_pool_that_goes_end_with_their_channels),
        TEST(a_pool_may_go_while_it_dials),
        TEST(a_pool_may_go_as_its_dial_ends),
        TEST(a_pool_may_go_before_its_session_is_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

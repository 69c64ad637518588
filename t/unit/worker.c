/* Tests of worker/worker_sessions and worker/worker: sessions that a worker drives, over the fake
 * engine. */
#include "worker_scene.h"

#define SOCKS "[listen l]\naddress = 1080\n"

static struct session_slot *slot(int n)
{
    return &scene.gateway.tables[0]->slots[n];
}

static enum slot_state state_of(int n)
{
    return session_table_slot_state(scene.gateway.tables[0], n);
}

/* More than a tick of the worker, so that what sessions do has been published. */
static void tick(void)
{
    scene_skip(260);
}

static int set_up(void **state)
{
    scene_set_up(state);
    scene_configure("hold = 20s\n", SOCKS);
    return 0;
}

static int set_up_two(void **state)
{
    scene_set_up_two(state);
    scene_configure("hold = 20s\n", SOCKS);
    return 0;
}

/* ---- sessions come and go */

static void a_session_is_taken_and_told_of(void **state)
{
    struct fake_session *session;

    (void)state;
    session = scene_session(3, 0);
    assert_int_equal(state_of(3), SLOT_UP);
    assert_ptr_equal(slot(3)->session, &session->base);
    assert_string_equal(session->name, "upstream a: session 3");
    assert_int_equal(session->options.keepalive_ms, 15000);
    assert_int_equal(session->options.keepalive_max, 3);
    UNTIL(scene.ups == 1);
    assert_int_equal(metric_get(&worker_metrics(scene.gateway.each[0])->sessions_up), 1);
    assert_int_equal(scene.losses, 0);
}

static void without_descriptors_a_session_is_lost_at_once(void **state)
{
    (void)state;
    fake.script.no_descriptors = true;
    gateway_scene_slot(&scene.gateway, 0, 2, 0, SLOT_DIALLING);
    worker_send_session(scene.gateway.each[0], scene.gateway.tables[0], 2, fake_logged_in(),
                        &scene.gateway.generation->config->upstreams[0]);
    UNTIL(scene.losses == 1);
    assert_int_equal(scene.lost_slot, 2);
    assert_string_equal(scene.lost_why, "no descriptors");
    assert_int_equal(fake.logged_in, 0);
    assert_int_equal(scene.ups, 0);
}

static void a_lost_session_is_told_of_with_its_reason(void **state)
{
    (void)state;
    scene_session(0, 0);
    UNTIL(scene.ups == 1);
    fake_session_die(fake_session_at(0), "no answer to keepalives");
    assert_int_equal(state_of(0), SLOT_RETIRING); /* chosen no more, from that moment */
    assert_null(slot(0)->session);
    UNTIL(scene.losses == 1);
    assert_string_equal(scene.lost_why, "no answer to keepalives");
    assert_int_equal(metric_get(&worker_metrics(scene.gateway.each[0])->sessions_lost), 1);
}

static void a_retiring_session_is_closed_when_its_channels_are_gone(void **state)
{
    struct fake_session *session;
    struct fake_channel *channel;
    int fd;

    (void)state;
    session = scene_session(0, 0);
    fd = client_comes("l");
    client_asks(fd, "web");
    client_is_told(fd, 0);
    session_table_set_slot(scene.gateway.tables[0], 0, SLOT_RETIRING);
    tick();
    assert_false(session->freed);
    channel = fake_channel_at(session, 0);
    client_says_text(fd, "still served");
    UNTIL(fake_channel_has(channel, "still served"));
    close(fd);
    UNTIL(channel->got_eof);
    fake_channel_close(channel);
    UNTIL(scene_clients() == 0);
    tick();
    UNTIL(scene.losses == 1);
    assert_true(session->freed);
    assert_string_equal(scene.lost_why, ""); /* it was meant to end */
    assert_int_equal(metric_get(&worker_metrics(scene.gateway.each[0])->sessions_lost), 0);
}

static void a_retiring_session_waits_for_opens_that_were_abandoned(void **state)
{
    struct fake_session *session;
    int fd;

    (void)state;
    fake.script.opens = FAKE_NEVER;
    session = scene_session(0, 0);
    fd = client_comes("l");
    client_asks(fd, "web");
    UNTIL(fake_open_at(session, 0) != NULL);
    scene_skip(30000); /* open_timeout */
    client_is_told(fd, 6);
    client_hears_end(fd);
    close(fd);
    session_table_set_slot(scene.gateway.tables[0], 0, SLOT_RETIRING);
    tick();
    assert_false(session->freed);
    assert_int_equal(atomic_load(&slot(0)->abandoned), 1);
    assert_null(fake_open_confirm(fake_open_at(session, 0)));
    tick();
    assert_true(session->freed);
}

/* ---- figures */

static void what_a_session_does_is_published(void **state)
{
    struct fake_session *session;

    (void)state;
    session = scene_session(0, 0);
    session->added.bytes_in = 1000;
    session->added.bytes_out = 500;
    session->added.abandoned = 2;
    tick();
    assert_int_equal(atomic_load(&slot(0)->bytes_in), 1000);
    assert_int_equal(atomic_load(&slot(0)->bytes_out), 500);
    assert_int_equal(atomic_load(&slot(0)->abandoned), 2);
    assert_true(session->ticks > 0);
    assert_false(atomic_load(&slot(0)->streaming));
    assert_false(atomic_load(&slot(0)->overdue));
}

static void a_session_streams_after_two_ticks_and_through_a_pause(void **state)
{
    struct fake_session *session;

    (void)state;
    session = scene_session(0, 0);
    session->added.carried += 4096;
    tick();
    assert_false(atomic_load(&slot(0)->streaming));
    for (int n = 0; n < 7; n++) {
        session->added.carried += 4096;
        tick();
        assert_true(atomic_load(&slot(0)->streaming));
    }
    tick();
    assert_true(atomic_load(&slot(0)->streaming)); /* it paused only */
    for (int n = 0; n < 7; n++)
        tick();
    assert_false(atomic_load(&slot(0)->streaming));
}

static void bulk_streams_at_once(void **state)
{
    struct fake_session *session;

    (void)state;
    session = scene_session(0, 0);
    session->added.carried += 2048 * 1024 * 4 + 4096;
    tick();
    assert_true(atomic_load(&slot(0)->rate) >= 2048);
    assert_true(atomic_load(&slot(0)->streaming));
}

static void a_silent_server_makes_its_session_overdue(void **state)
{
    struct fake_session *session;

    (void)state;
    session = scene_session(0, 0);
    session->added.silent_ms = 499;
    tick();
    assert_false(atomic_load(&slot(0)->overdue));
    session->added.silent_ms = 500;
    tick();
    assert_true(atomic_load(&slot(0)->overdue));
    assert_int_equal(scene.grows, 0); /* no name that may block is expected */
    session->added.silent_ms = 0;
    tick();
    assert_false(atomic_load(&slot(0)->overdue));
}

static void a_slow_name_has_another_session_dialled(void **state)
{
    struct fake_session *session;

    (void)state;
    session = scene_session(0, 0);
    atomic_store(&scene.gateway.tables[0]->quiet_sessions, 8);
    session_table_expect_names(scene.gateway.tables[0]);
    tick();
    assert_int_equal(scene.grows, 0);
    session->added.silent_ms = 500;
    tick();
    UNTIL(scene.grows > 0);
}

static void the_figures_of_a_slot_are_not_the_next_sessions(void **state)
{
    struct fake_session *session;

    (void)state;
    session = scene_session(0, 0);
    session->added = (struct session_state){.silent_ms = 900, .carried = 1 << 30, .abandoned = 5};
    tick();
    assert_true(atomic_load(&slot(0)->overdue));
    fake_session_die(session, "gone");
    UNTIL(scene.losses == 1);
    scene_session(0, 0);
    assert_false(atomic_load(&slot(0)->overdue));
    assert_false(atomic_load(&slot(0)->streaming));
    assert_int_equal(atomic_load(&slot(0)->abandoned), 0);
    assert_int_equal(atomic_load(&slot(0)->rate), 0);
}

static void all_sessions_are_probed(void **state)
{
    const struct fake_session *sessions[2];

    (void)state;
    sessions[0] = scene_session(0, 0);
    sessions[1] = scene_session(1, 0);
    workers_send_probe(&scene.gateway.workers);
    UNTIL(sessions[0]->probes == 1 && sessions[1]->probes == 1);
}

/* ---- clients that wait */

static void waiting_clients_are_served_in_the_order_they_came(void **state)
{
    static const char *const names[] = {"one", "two", "three"};
    const struct fake_open *open;
    int fds[COUNT(names)];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        fds[i] = client_comes("l");
        client_asks(fds[i], names[i]);
        UNTIL(atomic_load(&scene.gateway.tables[0]->waiting) == i + 1);
    }
    assert_true(scene.grows > 0);
    fake.script.opens = FAKE_NEVER;
    scene_session(0, 0);
    UNTIL(fake_open_at(fake_session_at(0), 2) != NULL);
    TAILQ_FOREACH (open, &fake_session_at(0)->opens, link)
        assert_string_equal(open->host, names[n++]);
    assert_int_equal(n, 3);
    assert_int_equal(atomic_load(&scene.gateway.tables[0]->waiting), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        fake_open_confirm(fake_open_at(fake_session_at(0), 0));
        client_is_told(fds[i], 0);
        close(fds[i]);
    }
}

/* What only a person can mend. */
static void clients_do_not_wait_in_vain(void **state)
{
    static const enum dial_status causes[] = {DIAL_AUTHENTICATION, DIAL_HOST_KEY};
    struct session_table *table = scene.gateway.tables[0];

    (void)state;
    for (size_t i = 0; i < COUNT(causes); i++) {
        int waits = client_comes("l"), comes;

        client_asks(waits, "web");
        UNTIL(atomic_load(&table->waiting) == 1);
        atomic_store(&table->failing, causes[i]);
        workers_send_session_up(&scene.gateway.workers, table);
        client_is_told(waits, 1);
        comes = client_comes("l");
        client_asks(comes, "web");
        client_is_told(comes, 1);
        assert_int_equal(atomic_load(&table->waiting), 0);
        atomic_store(&table->failing, DIAL_OK);
        close(waits);
        close(comes);
    }
}

static void a_client_moves_to_the_worker_that_has_the_session(void **state)
{
    struct fake_session *session;
    int fd;

    (void)state;
    session = scene_session(0, 1);
    fd = client_of("l", 0);
    client_asks(fd, "web");
    client_is_told(fd, 0);
    assert_int_equal(metric_get(&worker_metrics(scene.gateway.each[1])->moves), 1);
    fake_channel_say(fake_channel_at(session, 0), "hello");
    client_hears_text(fd, "hello");
    close(fd);
}

static void a_client_whose_session_went_while_it_moved_waits_for_another(void **state)
{
    int fd;

    (void)state;
    scene_session(0, 1);
    fd = client_of("l", 0);
    client_says(fd, (const uint8_t[]){4, 1, 0, 80, 192, 0, 2, 1, 0}, 9);
    LOOPS_UNTIL(scene.loops, 1, TAILQ_EMPTY(&scene.gateway.each[0]->clients));
    fake_session_die(fake_session_at(0), "gone"); /* before the other worker has turned */
    UNTIL(atomic_load(&scene.gateway.tables[0]->waiting) == 1);
    assert_int_equal(atomic_load(&slot(0)->channels), 0);
    scene_session(1, 0); /* the first worker's: it moves back */
    client_hears(fd, (const uint8_t[]){0, 90}, 2);
    close(fd);
}

/* ---- the end */

static void workers_stop_while_a_client_moves(void **state)
{
    int fd;

    (void)state;
    scene_session(0, 1);
    fd = client_of("l", 0);
    client_says(fd, (const uint8_t[]){4, 1, 0, 80, 192, 0, 2, 1, 0}, 9);
    worker_send_stop(scene.gateway.each[1]); /* (it reads that before the client's message) */
    LOOPS_UNTIL(scene.loops, 1, TAILQ_EMPTY(&scene.gateway.each[0]->clients));
    scene_stop();
    assert_int_equal(scene_clients(), 0);
    client_hears_end(fd);
    close(fd);
}

static void a_worker_stops_with_everything_under_way(void **state)
{
    int asking, opening, relaying, waiting;
    struct fake_session *session;

    (void)state;
    waiting = client_comes("l");
    client_asks(waiting, "early");
    UNTIL(atomic_load(&scene.gateway.tables[0]->waiting) == 1);
    session = scene_session(0, 0);
    client_is_told(waiting, 0);
    relaying = waiting;
    asking = client_comes("l");
    fake.script.opens = FAKE_NEVER;
    opening = client_comes("l");
    client_asks(opening, "web");
    UNTIL(fake_open_at(session, 0) != NULL);
    session_table_set_slot(scene.gateway.tables[0], 0, SLOT_RETIRING);
    waiting = client_comes("l");
    client_asks(waiting, "late");
    UNTIL(atomic_load(&scene.gateway.tables[0]->waiting) == 1);
    worker_send_session(scene.gateway.each[0], scene.gateway.tables[0], 1, fake_logged_in(),
                        &scene.gateway.generation->config->upstreams[0]);
    worker_send_stop(scene.gateway.each[0]);
    worker_send_session(scene.gateway.each[0], scene.gateway.tables[0], 2, fake_logged_in(),
                        &scene.gateway.generation->config->upstreams[0]);
    scene_stop();
    assert_true(session->freed);
    assert_int_equal(scene_clients(), 0);
    assert_int_equal(fake.logged_in, 0); /* the session that came too late as well */
    assert_int_equal(atomic_load(&scene.gateway.tables[0]->waiting), 0);
    client_is_cut(asking);
    client_is_cut(opening);
    client_is_cut(relaying);
    client_is_cut(waiting);
    close(asking);
    close(opening);
    close(relaying);
    close(waiting);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scene_tear_down)
#define TEST_OF_TWO(name) cmocka_unit_test_setup_teardown(name, set_up_two, scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_taken_and_told_of),
        TEST(without_descriptors_a_session_is_lost_at_once),
        TEST(a_lost_session_is_told_of_with_its_reason),
        TEST(a_retiring_session_is_closed_when_its_channels_are_gone),
        TEST(a_retiring_session_waits_for_opens_that_were_abandoned),
        TEST(what_a_session_does_is_published),
        TEST(a_session_streams_after_two_ticks_and_through_a_pause),
        TEST(bulk_streams_at_once),
        TEST(a_silent_server_makes_its_session_overdue),
        TEST(a_slow_name_has_another_session_dialled),
        TEST(the_figures_of_a_slot_are_not_the_next_sessions),
        TEST(all_sessions_are_probed),
        TEST(waiting_clients_are_served_in_the_order_they_came),
        TEST(clients_do_not_wait_in_vain),
        TEST_OF_TWO(a_client_moves_to_the_worker_that_has_the_session),
        TEST_OF_TWO(a_client_whose_session_went_while_it_moved_waits_for_another),
        TEST_OF_TWO(workers_stop_while_a_client_moves),
        TEST(a_worker_stops_with_everything_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of a client's second attempts, from outside: the next address of its target, and another
 * session where the first one's server is silent. */
#include "worker_scene.h"

#define LISTENS                                                                                    \
    "[listen l]\naddress = 1080\n"                                                                 \
    "[forward near]\nlocal = 8000 web:80\n"                                                        \
    "[resolve]\norder = "

/* The name "localhost" has two addresses, which no server is asked for. */
#define FIRST "::1"
#define SECOND "127.0.0.1"

static int set_up(void **state)
{
    scene_set_up(state);
    scene_configure("hold = 20s\n", LISTENS "local\n");
    fake.script.opens = FAKE_NEVER;
    return 0;
}

/* The SSH server looks names up. */
static int set_up_remote(void **state)
{
    scene_set_up(state);
    scene_configure("hold = 20s\n", LISTENS "remote\n");
    fake.script.opens = FAKE_NEVER;
    return 0;
}

static int set_up_two(void **state)
{
    scene_set_up_two(state);
    scene_configure("hold = 20s\n", LISTENS "remote\n");
    fake.script.opens = FAKE_NEVER;
    return 0;
}

static unsigned reserved(int slot)
{
    return atomic_load(&scene.gateway.tables[0]->slots[slot].channels);
}

static unsigned count_opens(struct fake_session *session)
{
    unsigned n = 0;

    while (fake_open_at(session, n) != NULL)
        n++;
    return n;
}

/* The nth unanswered open of the session, which is of this host. */
static struct fake_open *asked(struct fake_session *session, unsigned n, const char *host)
{
    UNTIL(fake_open_at(session, n) != NULL);
    assert_string_equal(fake_open_at(session, n)->host, host);
    return fake_open_at(session, n);
}

static int asks_for(const char *name)
{
    int fd = client_comes("l");

    client_asks(fd, name);
    return fd;
}

static void is_served_by(int fd, struct fake_open *open)
{
    struct fake_channel *channel = fake_open_confirm(open);

    client_is_told(fd, 0);
    client_says_text(fd, "ping");
    UNTIL(fake_channel_has(channel, "ping"));
    close(fd);
    UNTIL(channel->got_eof);
    fake_channel_close(channel);
    UNTIL(scene_clients() == 0);
    for (int slot = 0; slot < 3; slot++)
        assert_int_equal(reserved(slot), 0);
}

/* ---- the next address */

static void the_next_address_is_tried_after_a_quarter_of_a_second(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = asks_for("localhost");
    const struct fake_open *first = asked(session, 0, FIRST);

    (void)state;
    scene_skip(249);
    assert_int_equal(count_opens(session), 1);
    scene_skip(1);
    asked(session, 1, SECOND);
    assert_int_equal(reserved(0), 2);
    client_hears_nothing(fd);
    is_served_by(fd, asked(session, 1, SECOND));
    assert_true(first->cancelled);
}

static void it_is_tried_after_two_round_trips_if_these_take_longer(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd;

    (void)state;
    session->added.round_trip_ms = 301;
    fd = asks_for("localhost");
    asked(session, 0, FIRST);
    scene_skip(649);
    assert_int_equal(count_opens(session), 1);
    scene_skip(1);
    is_served_by(fd, asked(session, 1, SECOND));
}

static void the_first_address_may_still_answer_first(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = asks_for("localhost");
    const struct fake_open *second;

    (void)state;
    asked(session, 0, FIRST);
    scene_skip(250);
    second = asked(session, 1, SECOND);
    is_served_by(fd, asked(session, 0, FIRST));
    assert_true(second->cancelled);
}

static void the_next_address_is_tried_at_once_if_the_first_is_refused(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = asks_for("localhost");

    (void)state;
    fake_open_refuse(asked(session, 0, FIRST), 2, "Connection refused");
    is_served_by(fd, asked(session, 0, SECOND));
}

static void one_of_two_attempts_may_fail(void **state)
{
    struct fake_session *session = scene_session(0, 0);

    (void)state;
    for (unsigned fails = 0; fails < 2; fails++) {
        int fd = asks_for("localhost");
        asked(session, 0, FIRST);
        scene_skip(250);
        asked(session, 1, SECOND);
        fake_open_refuse(fake_open_at(session, fails), 2, "Connection refused");
        scene_settle();
        client_hears_nothing(fd);
        assert_int_equal(reserved(0), 1);
        is_served_by(fd, asked(session, 0, fails == 0 ? SECOND : FIRST));
    }
}

static void a_target_without_an_address_that_answers_is_refused(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = asks_for("localhost");

    (void)state;
    asked(session, 0, FIRST);
    scene_skip(250);
    asked(session, 1, SECOND);
    fake_open_refuse(fake_open_at(session, 0), 2, "Connection refused");
    fake_open_refuse(fake_open_at(session, 0), 2, "No route to host");
    client_is_told(fd, 4);
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(reserved(0), 0);
}

static void one_limit_holds_for_all_addresses(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = asks_for("localhost");

    (void)state;
    asked(session, 0, FIRST);
    scene_skip(250);
    asked(session, 1, SECOND);
    scene_skip(29000);
    client_hears_nothing(fd);
    scene_skip(750);
    client_is_told(fd, 6);
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(reserved(0), 0);
}

static void a_lost_session_begins_the_addresses_again(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = asks_for("localhost");

    (void)state;
    asked(session, 0, FIRST);
    scene_skip(250);
    asked(session, 1, SECOND);
    fake_session_die(session, "gone");
    session = scene_session(1, 0);
    is_served_by(fd, asked(session, 0, FIRST));
}

static void a_client_that_leaves_gives_both_attempts_up(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = asks_for("localhost");

    (void)state;
    asked(session, 0, FIRST);
    scene_skip(250);
    asked(session, 1, SECOND);
    close(fd);
    scene_skip(30000); /* (it may have half-closed) */
    UNTIL(scene_clients() == 0);
    assert_int_equal(reserved(0), 0);
    assert_int_equal(count_opens(session), 2); /* their late answers are waited for */
}

/* ---- another session */

/* The server falls silent. */
static void falls_silent(struct fake_session *session, uint64_t milliseconds)
{
    session->added.silent_ms = milliseconds;
    scene_skip(260);
}

static void an_overdue_server_s_open_is_asked_for_on_another_session(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second;
    const struct fake_open *open;
    int fd = asks_for("192.0.2.1");

    (void)state;
    open = asked(first, 0, "192.0.2.1");
    second = scene_session(1, 0);
    falls_silent(first, 499);
    assert_int_equal(count_opens(second), 0);
    falls_silent(first, 500);
    asked(second, 0, "192.0.2.1");
    falls_silent(first, 900);
    assert_int_equal(count_opens(second), 1);
    is_served_by(fd, asked(second, 0, "192.0.2.1"));
    assert_true(open->cancelled);
}

static void the_silent_server_may_still_answer_first(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second;
    int fd = asks_for("192.0.2.1");

    (void)state;
    asked(first, 0, "192.0.2.1");
    second = scene_session(1, 0);
    falls_silent(first, 500);
    asked(second, 0, "192.0.2.1");
    is_served_by(fd, asked(first, 0, "192.0.2.1"));
    assert_true(fake_open_at(second, 0)->cancelled);
}

static void without_another_session_one_is_asked_for_and_used_when_it_is_up(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second;
    int fd = asks_for("192.0.2.1");

    (void)state;
    asked(first, 0, "192.0.2.1");
    assert_int_equal(scene.grows, 0);
    falls_silent(first, 500);
    assert_int_equal(scene.grows, 1);
    second = scene_session(1, 0);
    is_served_by(fd, asked(second, 0, "192.0.2.1"));
}

static void the_session_may_be_another_worker_s(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second;
    const struct fake_open *open;
    int fd = asks_for("192.0.2.1");

    (void)state;
    open = asked(first, 0, "192.0.2.1");
    second = scene_session(1, 1);
    falls_silent(first, 500);
    asked(second, 0, "192.0.2.1");
    assert_true(open->cancelled);
    assert_int_equal(reserved(0), 0);
    is_served_by(fd, asked(second, 0, "192.0.2.1"));
}

static void with_one_server_silent_the_others_are_asked_for_a_sign_of_life(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second, *third;
    int fd = asks_for("192.0.2.1");

    (void)state;
    asked(first, 0, "192.0.2.1");
    second = scene_session(1, 0);
    third = scene_session(2, 1);
    falls_silent(first, 500);
    UNTIL(second->checks == 1 && third->checks == 1);
    falls_silent(first, 750);
    assert_int_equal(second->checks, 1);
    close(fd);
}

/* The other session's server turns out to be silent, too. */
static void an_open_that_waits_for_two_silent_servers_is_asked_for_on_a_third(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second, *third;
    const struct fake_open *open;
    int fd = asks_for("192.0.2.1");

    (void)state;
    open = asked(first, 0, "192.0.2.1");
    second = scene_session(1, 0);
    falls_silent(first, 500);
    asked(second, 0, "192.0.2.1");
    third = scene_session(2, 0);
    assert_int_equal(count_opens(third), 0);
    falls_silent(second, 500);
    assert_true(open->cancelled);
    is_served_by(fd, asked(third, 0, "192.0.2.1"));
}

static void a_forward_s_target_is_asked_for_again_only_when_its_session_is_lost(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second;
    int fd = client_comes("near");

    (void)state;
    asked(first, 0, "web");
    second = scene_session(1, 0);
    falls_silent(first, 500);
    falls_silent(first, 20000);
    assert_int_equal(count_opens(second), 0);
    fake_session_die(first, "gone");
    asked(second, 0, "web");
    close(fd);
}

static void the_name_that_is_being_resolved_stays_for_a_while(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second;
    int slow = asks_for("slow"), other;

    (void)state;
    asked(first, 0, "slow");
    other = asks_for("web");
    asked(first, 1, "web");
    second = scene_session(1, 0);
    falls_silent(first, 500);
    assert_int_equal(count_opens(second), 1);
    fake_open_confirm(asked(second, 0, "web"));
    client_is_told(other, 0);
    falls_silent(first, 1249);
    assert_int_equal(count_opens(second), 0);
    falls_silent(first, 1250);
    asked(second, 0, "slow");
    close(slow);
    close(other);
}

/* Else clients that ask for it again and again would bring all sessions to a stand. */
static void a_slow_name_is_asked_for_on_one_other_session_only(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second, *third;
    int fds[3], other;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = asks_for("slow");
        asked(first, i, "slow");
    }
    second = scene_session(1, 0);
    third = scene_session(2, 0);
    falls_silent(first, 500);
    assert_int_equal(count_opens(second) + count_opens(third), 0);
    falls_silent(first, 1250);
    falls_silent(first, 5000);
    assert_int_equal(count_opens(second) + count_opens(third), 1);
    other = asks_for("192.0.2.1");
    UNTIL(count_opens(second) + count_opens(third) == 2);
    close(other);
    /* Once the name is found the others are not held up any more. */
    fake_open_confirm(
        asked(count_opens(second) > 0 && strcmp(fake_open_at(second, 0)->host, "slow") == 0 ? second
                                                                                            : third,
              0, "slow"));
    falls_silent(first, 6000);
    assert_true(count_opens(second) + count_opens(third) >= 2);
    for (unsigned i = 0; i < 3; i++)
        close(fds[i]);
}

static void a_client_goes_elsewhere_a_few_times_at_most(void **state)
{
    struct fake_session *sessions[4];
    int fd = asks_for("192.0.2.1");

    (void)state;
    for (int i = 0; i < 4; i++)
        sessions[i] = scene_session(i, i % 2);
    asked(sessions[0], 0, "192.0.2.1");
    for (int i = 0; i < 4; i++)
        falls_silent(sessions[i], 500);
    assert_true(count_opens(sessions[0]) + count_opens(sessions[1]) + count_opens(sessions[2]) +
                    count_opens(sessions[3]) <=
                3);
    close(fd);
}

/* ---- in advance */

static void a_name_that_may_block_has_another_session_dialled(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int address = asks_for("192.0.2.1"), name;

    (void)state;
    asked(session, 0, "192.0.2.1");
    scene_settle();
    assert_int_equal(scene.grows, 0);
    name = asks_for("slow");
    asked(session, 1, "slow");
    scene_settle();
    assert_int_equal(scene.grows, 1);
    close(address);
    close(name);
}

static void a_name_has_none_dialled_where_a_person_would_be_asked(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int name;

    (void)state;
    atomic_store(&scene.gateway.tables[0]->asks_anew, true);
    name = asks_for("slow");
    asked(session, 0, "slow");
    scene_settle();
    assert_int_equal(scene.grows, 0);
    close(name);
}

static void a_name_has_none_dialled_where_there_is_another(void **state)
{
    struct fake_session *session;
    int name;

    (void)state;
    scene_session(1, 0);
    session = scene_session(0, 0);
    name = asks_for("slow");
    UNTIL(count_opens(session) + count_opens(fake_session_at(0)) > 0);
    scene_settle();
    assert_int_equal(scene.grows, 0);
    close(name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scene_tear_down)
#define TEST_REMOTE(name) cmocka_unit_test_setup_teardown(name, set_up_remote, scene_tear_down)
#define TEST_TWO(name) cmocka_unit_test_setup_teardown(name, set_up_two, scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_next_address_is_tried_after_a_quarter_of_a_second),
        TEST(it_is_tried_after_two_round_trips_if_these_take_longer),
        TEST(the_first_address_may_still_answer_first),
        TEST(the_next_address_is_tried_at_once_if_the_first_is_refused),
        TEST(one_of_two_attempts_may_fail),
        TEST(a_target_without_an_address_that_answers_is_refused),
        TEST(one_limit_holds_for_all_addresses),
        TEST(a_lost_session_begins_the_addresses_again),
        TEST(a_client_that_leaves_gives_both_attempts_up),
        TEST_REMOTE(an_overdue_server_s_open_is_asked_for_on_another_session),
        TEST_REMOTE(the_silent_server_may_still_answer_first),
        TEST_REMOTE(without_another_session_one_is_asked_for_and_used_when_it_is_up),
        TEST_TWO(the_session_may_be_another_worker_s),
        TEST_TWO(with_one_server_silent_the_others_are_asked_for_a_sign_of_life),
        TEST_REMOTE(an_open_that_waits_for_two_silent_servers_is_asked_for_on_a_third),
        TEST_REMOTE(a_forward_s_target_is_asked_for_again_only_when_its_session_is_lost),
        TEST_REMOTE(the_name_that_is_being_resolved_stays_for_a_while),
        TEST_REMOTE(a_slow_name_is_asked_for_on_one_other_session_only),
        TEST_TWO(a_client_goes_elsewhere_a_few_times_at_most),
        TEST_REMOTE(a_name_that_may_block_has_another_session_dialled),
        TEST_REMOTE(a_name_has_none_dialled_where_a_person_would_be_asked),
        TEST_REMOTE(a_name_has_none_dialled_where_there_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

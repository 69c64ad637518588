/* Tests of a client's kept connections to origins, and of requests that go ahead on them. */
#include "worker_scene.h"

#include <stdio.h>

#define VIA "Via: 1.1 adit\r\n"
#define GET(host, path) "GET http://" host path " HTTP/1.1\r\n\r\n"
#define ASKED(host, path) "GET " path " HTTP/1.1\r\nHost: " host "\r\n" VIA "\r\n"
#define SAYS(content) "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" content
#define HEARS(content) "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" VIA "\r\n" content

static int set_up(void **state)
{
    scene_set_up(state);
    scene_configure("hold = 20s\n", "[listen l]\naddress = 1080\n");
    return 0;
}

static unsigned reserved(int slot)
{
    return atomic_load(&scene.gateway.tables[0]->slots[slot].channels);
}

/* The channel got this in all, and says that. */
static void answers(struct fake_channel *channel, const char *got, const char *says)
{
    UNTIL(fake_channel_has(channel, got));
    fake_channel_say(channel, says);
}

/* The first request of a client, over a channel of its own. */
static struct fake_channel *first_request(struct fake_session *session, int fd)
{
    struct fake_channel *channel;

    client_says_text(fd, GET("a", "/1"));
    UNTIL(fake_channel_at(session, 0) != NULL);
    channel = fake_channel_at(session, 0);
    answers(channel, ASKED("a", "/1"), SAYS("1"));
    client_hears_text(fd, HEARS("1"));
    return channel;
}

static void leaves(int fd)
{
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(reserved(0), 0);
    assert_int_equal(reserved(1), 0);
}

static void a_channel_is_kept_for_half_a_minute(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(session, fd);

    (void)state;
    scene_skip(29000);
    client_says_text(fd, GET("a", "/2"));
    answers(channel, ASKED("a", "/1") ASKED("a", "/2"), SAYS("2"));
    client_hears_text(fd, HEARS("2"));
    assert_int_equal(reserved(0), 1);
    scene_skip(30000);
    assert_int_equal(channel->state, FAKE_ABORTED);
    assert_int_equal(reserved(0), 0);
    leaves(fd);
}

static void what_an_origin_says_unasked_ends_its_channel(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(session, fd);

    (void)state;
    fake_channel_say(channel, "x");
    UNTIL(channel->state == FAKE_ABORTED);
    assert_int_equal(reserved(0), 0);
    leaves(fd);
}

static void channels_to_four_origins_are_kept(void **state)
{
    static const char *const hosts[] = {"b", "c", "d", "e"};
    struct fake_session *session = scene_session(0, 0);
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(session, fd);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        char text[64];
        assert_int_equal(channel->state, FAKE_UP);
        snprintf(text, sizeof(text), GET("%s", "/"), hosts[i]);
        client_says_text(fd, text);
        UNTIL(fake_channel_at(session, i + 1) != NULL);
        fake_channel_say(fake_channel_at(session, i + 1), SAYS("x"));
        client_hears_text(fd, HEARS("x"));
    }
    UNTIL(channel->state == FAKE_ABORTED);
    assert_int_equal(reserved(0), 4);
    leaves(fd);
}

/* The session is overdue, so that the request goes by another one; no use in two channels. */
static void one_channel_to_an_origin_is_kept(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second = scene_session(1, 0);
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(first, fd), *other;

    (void)state;
    atomic_store(&scene.gateway.tables[0]->slots[0].overdue, true);
    client_says_text(fd, GET("a", "/2"));
    UNTIL(fake_channel_at(second, 0) != NULL);
    other = fake_channel_at(second, 0);
    answers(other, ASKED("a", "/2"), SAYS("2"));
    client_hears_text(fd, HEARS("2"));
    scene_settle();
    assert_int_equal(channel->state, FAKE_ABORTED);
    assert_int_equal(other->state, FAKE_UP);
    assert_int_equal(reserved(0), 0);
    assert_int_equal(reserved(1), 1);
    leaves(fd);
}

/* Three requests, of which the channel has got all and answered none. */
static void asks_three(int fd, struct fake_channel *channel)
{
    client_says_text(fd, GET("a", "/2") GET("a", "/3") GET("a", "/4"));
    UNTIL(fake_channel_has(channel,
                           ASKED("a", "/1") ASKED("a", "/2") ASKED("a", "/3") ASKED("a", "/4")));
}

static void requests_go_ahead_on_a_kept_channel(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(session, fd);

    (void)state;
    asks_three(fd, channel);
    fake_channel_say(channel, SAYS("2") SAYS("3"));
    client_hears_text(fd, HEARS("2") HEARS("3"));
    client_hears_nothing(fd);
    fake_channel_say(channel, SAYS("4"));
    client_hears_text(fd, HEARS("4"));
    UNTIL(scene_outcomes(OUTCOME_OK) == 4);
    assert_int_equal(reserved(0), 1);
    leaves(fd);
    assert_int_equal(scene_outcomes(OUTCOME_OK), 4);
}

static void a_lost_session_s_requests_are_asked_again_alone(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second;
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(first, fd);

    (void)state;
    asks_three(fd, channel);
    fake_channel_say(channel, SAYS("2"));
    client_hears_text(fd, HEARS("2"));
    second = scene_session(1, 0);
    fake_session_die(first, "gone");
    UNTIL(fake_channel_at(second, 0) != NULL);
    channel = fake_channel_at(second, 0);
    answers(channel, ASKED("a", "/3"), SAYS("3"));
    client_hears_text(fd, HEARS("3"));
    answers(channel, ASKED("a", "/3") ASKED("a", "/4"), SAYS("4"));
    client_hears_text(fd, HEARS("4"));
    UNTIL(scene_outcomes(OUTCOME_OK) == 4);
    leaves(fd);
}

/* What is under way on the overdue session is not waited for. */
static void requests_ahead_on_an_overdue_session_are_asked_elsewhere(void **state)
{
    struct fake_session *first = scene_session(0, 0), *second = scene_session(1, 0);
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(first, fd), *other;

    (void)state;
    asks_three(fd, channel);
    atomic_store(&scene.gateway.tables[0]->slots[0].overdue, true);
    fake_channel_say(channel, SAYS("2") SAYS("x"));
    client_hears_text(fd, HEARS("2"));
    UNTIL(fake_channel_at(second, 0) != NULL);
    other = fake_channel_at(second, 0);
    assert_int_equal(channel->state, FAKE_ABORTED);
    answers(other, ASKED("a", "/3"), SAYS("3"));
    client_hears_text(fd, HEARS("3"));
    answers(other, ASKED("a", "/3") ASKED("a", "/4"), SAYS("4"));
    client_hears_text(fd, HEARS("4"));
    leaves(fd);
}

static void a_client_that_is_cut_has_a_line_for_each_request_that_was_sent(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = client_comes("l");
    struct fake_channel *channel = first_request(session, fd);
    struct linger linger = {.l_onoff = 1};

    (void)state;
    asks_three(fd, channel);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    leaves(fd);
    assert_int_equal(scene_outcomes(OUTCOME_OK), 2);
    assert_int_equal(scene_outcomes(OUTCOME_GIVEN_UP), 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_channel_is_kept_for_half_a_minute, set_up,
                                        scene_tear_down),
        cmocka_unit_test_setup_teardown(what_an_origin_says_unasked_ends_its_channel, set_up,
                                        scene_tear_down),
        cmocka_unit_test_setup_teardown(channels_to_four_origins_are_kept, set_up, scene_tear_down),
        cmocka_unit_test_setup_teardown(one_channel_to_an_origin_is_kept, set_up, scene_tear_down),
        cmocka_unit_test_setup_teardown(requests_go_ahead_on_a_kept_channel, set_up,
                                        scene_tear_down),
        cmocka_unit_test_setup_teardown(a_lost_session_s_requests_are_asked_again_alone, set_up,
                                        scene_tear_down),
        cmocka_unit_test_setup_teardown(requests_ahead_on_an_overdue_session_are_asked_elsewhere,
                                        set_up, scene_tear_down),
        cmocka_unit_test_setup_teardown(
            a_client_that_is_cut_has_a_line_for_each_request_that_was_sent, set_up,
            scene_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

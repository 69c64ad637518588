/* Tests of idle_timeout: when a connection through which nothing passes is cut. */
#include "worker_scene.h"

#define MINUTE 60000

static int set_up(void **state)
{
    scene_set_up(state);
    scene_configure("", "[listen l]\naddress = 1080\nidle_timeout = 8m\n"
                        "[listen for_ever]\naddress = 1081\n");
    return 0;
}

/* A client of that listener that was told yes. */
static int relays_of(const char *listen, struct fake_channel **channel)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = client_comes(listen);

    fake.script.opens = FAKE_NEVER;
    client_asks(fd, "web");
    UNTIL(fake_open_at(session, 0) != NULL);
    *channel = fake_open_confirm(fake_open_at(session, 0));
    client_is_told(fd, 0);
    return fd;
}

/* So many minutes pass, one by one. */
static void minutes_pass(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        scene_skip(MINUTE);
        scene_settle();
    }
}

static void a_connection_that_is_idle_is_cut(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fd = relays_of("l", &channel);
    minutes_pass(7);
    client_hears_nothing(fd);
    minutes_pass(1);
    client_is_cut(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(scene_outcomes(OUTCOME_OK), 1);
    close(fd);
}

static void bytes_of_either_side_keep_it(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fd = relays_of("l", &channel);
    for (unsigned i = 0; i < 4; i++) {
        minutes_pass(6);
        if (i % 2 == 0) {
            client_says_text(fd, "up");
            UNTIL(fake_channel_has(channel, i == 0 ? "up" : "upup"));
        } else {
            fake_channel_say(channel, "down");
            client_hears_text(fd, "down");
        }
    }
    minutes_pass(7);
    client_hears_nothing(fd);
    minutes_pass(2);
    client_is_cut(fd);
    close(fd);
}

static void without_the_key_it_stays(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fd = relays_of("for_ever", &channel);
    minutes_pass(24 * 60);
    client_hears_nothing(fd);
    close(fd);
    fake_channel_close(channel);
    UNTIL(scene_clients() == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_that_is_idle_is_cut),
        TEST(bytes_of_either_side_keep_it),
        TEST(without_the_key_it_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of BIND (RFC 1928 section 6) from outside, over the fake engine. */
#include "worker_scene.h"

#define LISTENS "[listen l]\naddress = 1080\nbind = yes\n"

static int set_up(void **state)
{
    scene_set_up(state);
    scene_configure("", LISTENS);
    fake.script.listens = FAKE_NEVER;
    scene_session(0, 0);
    return 0;
}

static struct session_slot *first_slot(void)
{
    return &scene.gateway.tables[0]->slots[0];
}

/* A client that expects 198.51.100.1 to connect, and what the server is asked for it. */
static int binds(struct fake_listen **listen)
{
    int fd = client_comes("l");

    client_says(fd, (const uint8_t[]){5, 1, 0, 5, 2, 0, 1, 198, 51, 100, 1, 0, 21}, 13);
    client_hears(fd, (const uint8_t[]){5, 0}, 2);
    UNTIL((*listen = fake_listen_at(fake_session_at(0), 0)) != NULL);
    return fd;
}

/* The server listens, at the address that the session has. */
static int waits_for_somebody(struct fake_listen **listen)
{
    int fd = binds(listen);

    fake_listen_answer(*listen, true);
    client_hears(fd,
                 (const uint8_t[]){5, 0, 0, 1, 192, 0, 2, 9, (uint8_t)((*listen)->port >> 8),
                                   (uint8_t)(*listen)->port},
                 10);
    return fd;
}

/* (The port of a refusal means nothing.) */
static void is_refused(int fd, uint8_t reply)
{
    uint8_t port[2];

    client_hears(fd, (const uint8_t[]){5, reply, 0, 1, 0, 0, 0, 0}, 8);
    assert_int_equal(recv(fd, port, sizeof(port), 0), sizeof(port));
    client_hears_end(fd);
}

static void who_was_expected_is_let_in(void **state)
{
    struct fake_forwarded *forwarded;
    struct fake_listen *listen;
    int fd = waits_for_somebody(&listen);

    (void)state;
    forwarded = fake_connects(listen, "198.51.100.1", 0x1234);
    assert_int_equal(forwarded->state, FAKE_UP);
    assert_int_equal(listen->state, FAKE_RELEASED); /* one connection only */
    client_hears(fd, (const uint8_t[]){5, 0, 0, 1, 198, 51, 100, 1, 0x12, 0x34}, 10);
    fake_channel_say(forwarded->channel, "220 ready");
    client_hears_text(fd, "220 ready");
    close(fd);
}

static void others_are_refused(void **state)
{
    struct fake_listen *listen;
    int fd = waits_for_somebody(&listen);

    (void)state;
    assert_int_equal(fake_connects(listen, "198.51.100.2", 1)->state, FAKE_REFUSED);
    client_hears_nothing(fd);
    assert_int_equal(fake_connects(listen, "198.51.100.1", 1)->state, FAKE_UP);
    close(fd);
}

static void a_server_that_does_not_listen_is_a_refusal(void **state)
{
    struct fake_listen *listen;
    int fd = binds(&listen);

    (void)state;
    fake_listen_answer(listen, false);
    is_refused(fd, 2);
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(scene_outcomes(OUTCOME_PROHIBITED), 1);
}

static void a_session_that_dies_is_a_refusal(void **state)
{
    struct fake_listen *listen;
    int fd = waits_for_somebody(&listen);

    (void)state;
    fake_session_die(fake_session_at(0), "gone");
    is_refused(fd, 1);
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(scene.gateway.each[0]->binds, 0);
}

static void nobody_is_waited_for_without_end(void **state)
{
    struct fake_listen *listen;
    int fd = waits_for_somebody(&listen);

    (void)state;
    scene_skip(179900);
    client_hears_nothing(fd);
    scene_skip(100);
    is_refused(fd, 6);
    assert_int_equal(listen->state, FAKE_RELEASED);
    close(fd);
    UNTIL(scene_clients() == 0);
}

static void a_client_may_leave_while_it_waits_for_somebody(void **state)
{
    struct fake_listen *listen;
    int fd = waits_for_somebody(&listen);

    (void)state;
    close(fd);
    UNTIL(listen->state == FAKE_RELEASED);
    UNTIL(scene_clients() == 0);
    assert_int_equal(atomic_load(&first_slot()->channels), 0);
}

/* A session that a reload has retired carries no channel for it yet, and is needed all the same. */
static void a_retiring_session_waits_for_the_client(void **state)
{
    struct fake_session *session = fake_session_at(0);
    struct fake_listen *listen;
    int fd = waits_for_somebody(&listen);

    (void)state;
    session_table_set_slot(scene.gateway.tables[0], 0, SLOT_RETIRING);
    scene_skip(260);
    assert_false(session->freed);
    assert_int_equal(fake_connects(listen, "198.51.100.1", 1)->state, FAKE_UP);
    close(fd);
    UNTIL(scene_clients() == 0);
    scene_skip(260);
    assert_true(session->freed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_was_expected_is_let_in),
        TEST(others_are_refused),
        TEST(a_server_that_does_not_listen_is_a_refusal),
        TEST(a_session_that_dies_is_a_refusal),
        TEST(nobody_is_waited_for_without_end),
        TEST(a_client_may_leave_while_it_waits_for_somebody),
        TEST(a_retiring_session_waits_for_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

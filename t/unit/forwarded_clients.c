/* Tests of worker/remote_forwards, and of the clients that come in by them, over the fake engine:
 * their targets are the test's sockets on loopback. */
#include "worker_scene.h"

#define MANY 100

struct forwarded_scene {
    struct fake_session *session;
    int target; /* a listening socket; -1: nobody listens */
    uint16_t port;
    int fds[MANY]; /* what came to the target */
};
static struct forwarded_scene far;

/* A forward to the target, and one that serves SOCKS. */
static void configure(const char *upstream, uint16_t port)
{
    char *text = mem_printf("[listen l]\naddress = 1080\n"
                            "[forward web]\nremote = 9000 127.0.0.1:%u\n"
                            "[forward socks]\nremote = *:9001\n",
                            port);

    scene_configure(upstream, text);
    free(text);
}

static int set_up_with(void **state, const char *upstream)
{
    scene_set_up(state);
    far = (struct forwarded_scene){0};
    far.target = tcp_listen("127.0.0.1", &far.port, MANY);
    set_nonblocking(far.target);
    configure(upstream, far.port);
    far.session = scene_session(0, 0);
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, "");
}

static int set_up_narrow(void **state)
{
    return set_up_with(state, "permit_remote_open = elsewhere:80\n");
}

static void target_goes(void)
{
    if (far.target >= 0)
        close(far.target);
    far.target = -1;
}

static int tear_down(void **state)
{
    target_goes();
    return scene_tear_down(state);
}

static void order(const char *forward, uint64_t number, bool again)
{
    const struct config *config = scene.gateway.generation->config;

    worker_send_listen(scene.gateway.each[0],
                       &(struct listen_order){.number = number,
                                              .table = scene.gateway.tables[0],
                                              .slot = 0,
                                              .generation = scene.gateway.generation,
                                              .forward = config_forward(config, forward),
                                              .again = again});
}

/* A forward that the server listens on. */
static struct fake_listen *listens(const char *forward)
{
    struct fake_listen *listen;

    fake.script.listens = FAKE_YES;
    order(forward, 1, false);
    UNTIL((listen = fake_listen_at(far.session, 0)) != NULL && listen->state == FAKE_UP);
    UNTIL(scene.listens == 1);
    return listen;
}

static int comes_to_the_target(void)
{
    int fd;

    UNTIL((fd = accept(far.target, NULL, NULL)) >= 0);
    set_nonblocking(fd);
    return fd;
}

static unsigned channels(void)
{
    return atomic_load(&scene.gateway.tables[0]->slots[0].channels);
}

/* ---- listens */

static void the_server_is_asked_and_its_answer_is_told(void **state)
{
    struct fake_listen *listen;

    (void)state;
    fake.script.listens = FAKE_NEVER;
    order("web", 7, false);
    UNTIL((listen = fake_listen_at(far.session, 0)) != NULL);
    assert_string_equal(listen->bind, "localhost");
    assert_int_equal(listen->port, 9000);
    scene_settle();
    assert_int_equal(scene.listens, 0);
    fake_listen_answer(listen, true);
    UNTIL(scene.listens == 1);
    assert_int_equal(scene.listen_order, 7);
    assert_int_equal(scene.listen_port, 9000);
}

static void every_address_is_asked_for_as_the_protocol_has_it(void **state)
{
    (void)state;
    assert_string_equal(listens("socks")->bind, "");
}

static void a_refused_listen_is_told_and_forgotten(void **state)
{
    const struct fake_listen *listen;

    (void)state;
    fake.script.listens = FAKE_NO;
    order("web", 7, false);
    UNTIL(scene.listens == 1);
    assert_int_equal(scene.listen_port, 0);
    listen = TAILQ_FIRST(&far.session->listens);
    assert_int_equal(listen->state, FAKE_RELEASED);
    order("web", 7, true); /* a change of what was refused */
    scene_settle();
    assert_null(TAILQ_NEXT(listen, link));
}

static void a_listen_ends_and_what_came_by_it_goes_on(void **state)
{
    struct fake_listen *listen = listens("web");
    struct fake_forwarded *forwarded = fake_connects(listen, "198.51.100.1", 4711);
    int fd = comes_to_the_target();

    (void)state;
    UNTIL(forwarded->state == FAKE_UP);
    worker_send_listen_end(scene.gateway.each[0], 1);
    UNTIL(listen->state == FAKE_RELEASED);
    fake_channel_say(forwarded->channel, "still here");
    client_hears_text(fd, "still here");
    close(fd);
}

static void a_listen_that_stays_leads_to_the_new_target(void **state)
{
    struct fake_listen *listen = listens("web");
    uint16_t port = 0;
    int other = tcp_listen("127.0.0.1", &port, 1);
    struct fake_forwarded *forwarded;
    int fd;

    (void)state;
    configure("", port);
    order("web", 1, true);
    scene_settle();
    assert_ptr_equal(fake_listen_at(far.session, 0), listen); /* it is not asked for again */
    assert_null(fake_listen_at(far.session, 1));
    forwarded = fake_connects(listen, "198.51.100.1", 4711);
    UNTIL(forwarded->state == FAKE_UP);
    fd = accept(other, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    close(other);
}

static void listens_end_with_their_session(void **state)
{
    const struct fake_listen *listen = listens("web");

    (void)state;
    session_table_set_slot(scene.gateway.tables[0], 0, SLOT_RETIRING);
    scene_skip(260);
    assert_int_equal(listen->state, FAKE_RELEASED);
    assert_true(far.session->freed);
}

static void listens_are_lost_with_their_session(void **state)
{
    (void)state;
    listens("web");
    fake.script.listens = FAKE_NEVER;
    order("socks", 2, false);
    UNTIL(fake_listen_at(far.session, 1) != NULL);
    fake_session_die(far.session, "gone");
    assert_null(fake_listen_at(far.session, 0));
    UNTIL(scene.losses == 1);
    assert_int_equal(scene.listens, 1); /* of the second the main thread hears by the loss */
}

/* ---- connections to one target */

static void a_connection_is_let_in_when_its_target_was_reached(void **state)
{
    struct fake_forwarded *forwarded = fake_connects(listens("web"), "198.51.100.1", 4711);
    int fd;

    (void)state;
    assert_int_equal(forwarded->state, FAKE_WAITING);
    fd = comes_to_the_target();
    UNTIL(forwarded->state == FAKE_UP);
    assert_int_equal(channels(), 1);
    fake_channel_say(forwarded->channel, "ping");
    client_hears_text(fd, "ping");
    client_says_text(fd, "pong");
    UNTIL(fake_channel_has(forwarded->channel, "pong"));
    fake_channel_eof(forwarded->channel);
    client_hears_end(fd);
    assert_int_equal(scene_clients(), 1);
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(forwarded->channel->state, FAKE_RELEASED);
    assert_true(forwarded->channel->got_eof);
    assert_int_equal(scene_outcomes(OUTCOME_OK), 1);
    assert_int_equal(channels(), 0);
}

static void a_connection_whose_target_refuses_is_refused(void **state)
{
    struct fake_listen *listen = listens("web");
    const struct fake_forwarded *forwarded;

    (void)state;
    target_goes();
    forwarded = fake_connects(listen, "198.51.100.1", 4711);
    UNTIL(scene_clients() == 0);
    assert_int_equal(forwarded->state, FAKE_REFUSED);
    assert_null(forwarded->channel);
    assert_int_equal(scene_outcomes(OUTCOME_REFUSED), 1);
    assert_int_equal(channels(), 0);
}

static void a_connection_is_lost_with_its_session_before_its_target_answered(void **state)
{
    const struct fake_forwarded *forwarded = fake_connects(listens("web"), "198.51.100.1", 4711);

    (void)state;
    fake_session_die(far.session, "gone");
    assert_int_equal(forwarded->state, FAKE_LOST);
    assert_int_equal(scene_clients(), 0);
    assert_int_equal(scene_outcomes(OUTCOME_NO_SESSION), 1);
    assert_int_equal(channels(), 0);
}

static void a_connection_that_is_cut_cuts_its_target(void **state)
{
    struct fake_forwarded *forwarded = fake_connects(listens("web"), "198.51.100.1", 4711);
    int fd = comes_to_the_target();

    (void)state;
    UNTIL(forwarded->state == FAKE_UP);
    fake_session_die(far.session, "gone");
    client_is_cut(fd);
    close(fd);
    UNTIL(scene_clients() == 0);
}

static void many_connections_are_served_at_once(void **state)
{
    struct fake_listen *listen = listens("web");
    struct fake_forwarded *forwarded;
    unsigned served = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        fake_connects(listen, "198.51.100.1", (uint16_t)(i + 1));
    for (unsigned i = 0; i < MANY; i++)
        far.fds[i] = comes_to_the_target();
    UNTIL(fake_channel_at(far.session, MANY - 1) != NULL);
    assert_int_equal(channels(), MANY);
    TAILQ_FOREACH (forwarded, &far.session->forwarded, link)
        fake_channel_say(forwarded->channel, "x");
    for (unsigned i = 0; i < MANY; i++) {
        client_hears_text(far.fds[i], "x");
        client_says_text(far.fds[i], "y");
        close(far.fds[i]);
    }
    TAILQ_FOREACH (forwarded, &far.session->forwarded, link) {
        UNTIL(forwarded->channel->got_eof);
        served += fake_channel_has(forwarded->channel, "y");
        fake_channel_close(forwarded->channel);
    }
    assert_int_equal(served, MANY);
    UNTIL(scene_clients() == 0);
    assert_int_equal(channels(), 0);
}

static void a_worker_stops_with_connections_under_way(void **state)
{
    struct fake_listen *listen = listens("web");
    const struct fake_forwarded *relaying = fake_connects(listen, "198.51.100.1", 1);
    const struct fake_forwarded *connecting;
    int fd = comes_to_the_target();

    (void)state;
    UNTIL(relaying->state == FAKE_UP);
    connecting = fake_connects(listen, "198.51.100.1", 2);
    scene_stop();
    assert_int_equal(relaying->channel->state, FAKE_ABORTED);
    assert_int_not_equal(connecting->state, FAKE_WAITING);
    client_is_cut(fd);
    close(fd);
}

/* ---- SOCKS by a remote forward */

static struct fake_channel *asks_by_socks(struct fake_listen *listen, uint16_t port)
{
    struct fake_channel *channel = fake_connects(listen, "198.51.100.1", 4711)->channel;
    const uint8_t request[] = {5, 1, 0, 1, 127, 0, 0, 1, (uint8_t)(port >> 8), (uint8_t)port};

    assert_non_null(channel); /* it is let in at once */
    fake_channel_send(channel, (const uint8_t[]){5, 1, 0}, 3);
    UNTIL(buffer_length(&channel->got) == 2);
    fake_channel_send(channel, request, sizeof(request));
    return channel;
}

static uint8_t socks_reply(const struct fake_channel *channel)
{
    UNTIL(buffer_length(&channel->got) >= 12);
    return buffer_data(&channel->got)[3];
}

static void socks_by_a_remote_forward_is_served(void **state)
{
    struct fake_channel *channel = asks_by_socks(listens("socks"), far.port);
    int fd = comes_to_the_target();

    (void)state;
    assert_int_equal(socks_reply(channel), 0);
    fake_channel_say(channel, "ping");
    client_hears_text(fd, "ping");
    client_says_text(fd, "pong");
    UNTIL(buffer_length(&channel->got) == 16);
    close(fd);
}

static void socks_by_a_remote_forward_is_refused_in_its_words(void **state)
{
    struct fake_listen *listen = listens("socks");
    struct fake_channel *channel;

    (void)state;
    target_goes();
    channel = asks_by_socks(listen, far.port);
    assert_int_equal(socks_reply(channel), 5);
    UNTIL(channel->state == FAKE_RELEASED);
    assert_int_equal(scene_outcomes(OUTCOME_REFUSED), 1);
    assert_int_equal(scene_clients(), 0);
}

static void socks_leads_only_where_it_may(void **state)
{
    struct fake_channel *channel = asks_by_socks(listens("socks"), far.port);

    (void)state;
    assert_int_equal(socks_reply(channel), 2);
    UNTIL(channel->state == FAKE_RELEASED);
    assert_int_equal(scene_outcomes(OUTCOME_DENIED), 1);
    assert_int_equal(accept(far.target, NULL, NULL), -1);
}

static void a_socks_client_that_says_nothing_is_let_go(void **state)
{
    struct fake_channel *channel = fake_connects(listens("socks"), "198.51.100.1", 4711)->channel;

    (void)state;
    scene_skip(9900);
    assert_int_equal(scene_clients(), 1);
    scene_skip(100);
    UNTIL(scene_clients() == 0);
    assert_int_not_equal(channel->state, FAKE_UP);
    assert_int_equal(scene_outcomes(OUTCOME_HANDSHAKE_TIMEOUT), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_NARROW(name) cmocka_unit_test_setup_teardown(name, set_up_narrow, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_server_is_asked_and_its_answer_is_told),
        TEST(every_address_is_asked_for_as_the_protocol_has_it),
        TEST(a_refused_listen_is_told_and_forgotten),
        TEST(a_listen_ends_and_what_came_by_it_goes_on),
        TEST(a_listen_that_stays_leads_to_the_new_target),
        TEST(listens_end_with_their_session),
        TEST(listens_are_lost_with_their_session),
        TEST(a_connection_is_let_in_when_its_target_was_reached),
        TEST(a_connection_whose_target_refuses_is_refused),
        TEST(a_connection_is_lost_with_its_session_before_its_target_answered),
        TEST(a_connection_that_is_cut_cuts_its_target),
        TEST(many_connections_are_served_at_once),
        TEST(a_worker_stops_with_connections_under_way),
        TEST(socks_by_a_remote_forward_is_served),
        TEST(socks_by_a_remote_forward_is_refused_in_its_words),
        TEST_NARROW(socks_leads_only_where_it_may),
        TEST(a_socks_client_that_says_nothing_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of how a client ends, from outside: sessions that die, clients that leave or do not read,
 * ends of data, closed windows. */
#include "worker_scene.h"

#define SOCKS_AND_HTTP "[listen l]\naddress = 1080\n"

/* More than any socket and the relay hold. */
#define MUCH ((size_t)16 << 20)

static int set_up(void **state)
{
    scene_set_up(state);
    scene_configure("hold = 20s\n", SOCKS_AND_HTTP);
    return 0;
}

static struct session_slot *slot(int n)
{
    return &scene.gateway.tables[0]->slots[n];
}

static unsigned waiting(void)
{
    return atomic_load(&scene.gateway.tables[0]->waiting);
}

static struct fake_open *asked_of(struct fake_session *session)
{
    UNTIL(fake_open_at(session, 0) != NULL);
    return fake_open_at(session, 0);
}

/* A SOCKS client whose open the session has to answer. */
static int opens_at(struct fake_session *session)
{
    int fd = client_comes("l");

    fake.script.opens = FAKE_NEVER;
    client_asks(fd, "web");
    asked_of(session);
    return fd;
}

/* A client that was told yes. */
static int relays_at(struct fake_session *session, struct fake_channel **channel)
{
    int fd = opens_at(session);

    *channel = fake_open_confirm(fake_open_at(session, 0));
    client_is_told(fd, 0);
    return fd;
}

/* It is gone, with a reset. */
static void client_breaks(int fd)
{
    struct linger reset = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
}

static void all_is_given_back(void)
{
    UNTIL(scene_clients() == 0);
    assert_int_equal(waiting(), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(atomic_load(&slot(i)->channels), 0);
}

/* ---- sessions that die */

static void an_unconfirmed_open_is_asked_of_another_session(void **state)
{
    struct fake_session *first, *second;
    int fd;

    (void)state;
    first = scene_session(0, 0);
    fd = opens_at(first);
    second = scene_session(1, 0);
    fake_session_die(first, "gone");
    client_hears_nothing(fd);
    assert_int_equal(metric_get(&worker_metrics(scene.gateway.each[0])->retries), 1);
    assert_string_equal(asked_of(second)->host, "web");
    assert_int_equal(atomic_load(&slot(0)->channels), 0);
    assert_int_equal(atomic_load(&slot(1)->channels), 1);
    fake_open_confirm(asked_of(second));
    client_is_told(fd, 0);
    close(fd);
}

static void an_unconfirmed_open_waits_for_the_next_session(void **state)
{
    struct fake_session *session;
    int fd;

    (void)state;
    fd = opens_at(scene_session(0, 0));
    fake_session_die(fake_session_at(0), "gone");
    UNTIL(waiting() == 1);
    client_hears_nothing(fd);
    session = scene_session(0, 0);
    fake_open_confirm(asked_of(session));
    client_is_told(fd, 0);
    close(fd);
}

static void a_client_is_held_only_so_long(void **state)
{
    int fd = client_comes("l");

    (void)state;
    client_asks(fd, "web");
    UNTIL(waiting() == 1);
    scene_skip(19900);
    client_hears_nothing(fd);
    scene_skip(100);
    client_is_told(fd, 1);
    client_hears_end(fd);
    close(fd);
    all_is_given_back();
    assert_int_equal(scene_outcomes(OUTCOME_NO_SESSION), 1);
}

/* The time that it waited before counts. */
static void a_client_that_loses_its_session_is_held_for_what_is_left(void **state)
{
    int fd = client_comes("l");

    (void)state;
    client_asks(fd, "web");
    UNTIL(waiting() == 1);
    scene_skip(15000);
    fake.script.opens = FAKE_NEVER;
    asked_of(scene_session(0, 0));
    fake_session_die(fake_session_at(0), "gone");
    UNTIL(waiting() == 1);
    scene_skip(4000);
    client_hears_nothing(fd);
    scene_skip(1100);
    client_is_told(fd, 1);
    close(fd);
    all_is_given_back();
}

static void a_confirmed_channel_that_dies_with_its_session_is_a_reset(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fd = relays_at(scene_session(0, 0), &channel);
    scene_session(1, 0);
    fake_session_die(fake_session_at(0), "gone");
    client_is_cut(fd);
    close(fd);
    all_is_given_back();
    assert_int_equal(channel->state, FAKE_ABORTED);
    assert_null(fake_open_at(fake_session_at(0), 0)); /* it is not asked for twice */
    assert_int_equal(metric_get(&worker_metrics(scene.gateway.each[0])->cut), 1);
}

static void a_cut_channel_is_a_reset(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fd = relays_at(scene_session(0, 0), &channel);
    fake_channel_fail(channel, "cut");
    client_is_cut(fd);
    close(fd);
    all_is_given_back();
}

/* ---- ends of data */

static void a_client_that_sends_no_more_is_still_answered(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fd = relays_at(scene_session(0, 0), &channel);
    client_says_text(fd, "all");
    shutdown(fd, SHUT_WR);
    UNTIL(channel->got_eof);
    assert_true(fake_channel_has(channel, "all"));
    fake_channel_say(channel, "answer");
    client_hears_text(fd, "answer");
    assert_int_equal(scene_clients(), 1);
    fake_channel_eof(channel);
    client_hears_end(fd);
    close(fd);
    all_is_given_back();
    assert_int_equal(channel->state, FAKE_RELEASED);
    assert_int_equal(scene_outcomes(OUTCOME_OK), 1);
    assert_int_equal(metric_get(&worker_metrics(scene.gateway.each[0])->cut), 0);
}

static void a_client_may_answer_a_server_that_sends_no_more(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fd = relays_at(scene_session(0, 0), &channel);
    fake_channel_say(channel, "all");
    fake_channel_eof(channel);
    client_hears_text(fd, "all");
    client_hears_end(fd);
    client_says_text(fd, "answer");
    UNTIL(fake_channel_has(channel, "answer"));
    assert_false(channel->got_eof);
    assert_int_equal(scene_clients(), 1);
    close(fd);
    all_is_given_back();
    assert_true(channel->got_eof);
}

static void an_end_of_data_before_the_answer_is_passed_on_after_it(void **state)
{
    struct fake_session *session;
    struct fake_channel *channel;
    int fd;

    (void)state;
    session = scene_session(0, 0);
    fd = opens_at(session);
    shutdown(fd, SHUT_WR);
    scene_settle();
    channel = fake_open_confirm(fake_open_at(session, 0));
    client_is_told(fd, 0);
    UNTIL(channel->got_eof);
    fake_channel_close(channel);
    client_hears_end(fd);
    close(fd);
    all_is_given_back();
}

/* ---- clients that leave */

static void a_client_may_leave_before_it_has_asked(void **state)
{
    int fds[2];

    (void)state;
    fds[0] = client_comes("l");
    client_says(fds[0], (const uint8_t[]){5}, 1);
    fds[1] = client_comes("l");
    scene_settle();
    assert_int_equal(scene_clients(), 2);
    close(fds[0]);
    client_breaks(fds[1]);
    all_is_given_back();
}

static void a_client_may_leave_while_it_waits(void **state)
{
    int fd = client_comes("l");

    (void)state;
    client_asks(fd, "web");
    UNTIL(waiting() == 1);
    client_breaks(fd);
    all_is_given_back();
    scene_session(0, 0);
    scene_settle();
    assert_null(TAILQ_FIRST(&fake_session_at(0)->opens));
}

static void a_client_may_leave_before_the_answer(void **state)
{
    struct fake_session *session;
    struct fake_open *open;

    (void)state;
    session = scene_session(0, 0);
    client_breaks(opens_at(session));
    open = fake_open_at(session, 0);
    UNTIL(open->cancelled);
    all_is_given_back();
    fake_open_refuse(open, 2, "Connection refused");
}

static void a_client_may_leave_a_relay(void **state)
{
    struct fake_channel *channel;

    (void)state;
    client_breaks(relays_at(scene_session(0, 0), &channel));
    UNTIL(channel->state == FAKE_ABORTED);
    all_is_given_back();
}

/* ---- clients that do not read */

/* Its socket takes nothing more, from the beginning. */
static int client_that_does_not_read(size_t *filled)
{
    struct accepted connection = {.from_ip = false};
    char bytes[4096] = {0};
    ssize_t n;
    int fds[2];

    unix_pair(fds);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
    for (*filled = 0; (n = send(fds[1], bytes, sizeof(bytes), 0)) > 0; *filled += (size_t)n)
        continue;
    assert_int_equal(errno, EAGAIN);
    connection.fd = fds[1];
    client_connects("l", 0, &connection);
    client_says_text(fds[0], "CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n");
    return fds[0];
}

/* Takes what stood before its reply. */
static void client_catches_up(int fd, size_t filled)
{
    char bytes[4096];

    while (filled > 0) {
        ssize_t n;
        UNTIL((n = recv(fd, bytes, filled < sizeof(bytes) ? filled : sizeof(bytes), 0)) > 0);
        filled -= (size_t)n;
    }
}

static void a_refusal_waits_for_a_client_that_reads_late(void **state)
{
    size_t filled;
    int fd;

    (void)state;
    fake.script.opens = FAKE_NO;
    fake.script.reason = 1;
    scene_session(0, 0);
    fd = client_that_does_not_read(&filled);
    scene_skip(9000);
    assert_int_equal(scene_clients(), 1);
    client_catches_up(fd, filled);
    client_hears_text(fd, "HTTP/1.1 403");
    UNTIL(scene_clients() == 0);
    close(fd);
}

static void a_client_that_does_not_take_its_refusal_is_cut(void **state)
{
    size_t filled;
    int fd;

    (void)state;
    fake.script.opens = FAKE_NO;
    fake.script.reason = 1;
    scene_session(0, 0);
    fd = client_that_does_not_read(&filled);
    scene_settle();
    assert_int_equal(scene_clients(), 1);
    scene_skip(9900);
    assert_int_equal(scene_clients(), 1);
    scene_skip(200);
    all_is_given_back();
    assert_int_equal(scene_outcomes(OUTCOME_PROHIBITED), 1);
    close(fd);
}

static void a_client_that_reads_late_is_told_before_it_is_served(void **state)
{
    struct fake_session *session;
    size_t filled;
    int fd;

    (void)state;
    session = scene_session(0, 0);
    fd = client_that_does_not_read(&filled);
    UNTIL(fake_channel_at(session, 0) != NULL);
    fake_channel_say(fake_channel_at(session, 0), "banner");
    client_says_text(fd, "hello");
    UNTIL(fake_channel_has(fake_channel_at(session, 0), "hello"));
    client_catches_up(fd, filled);
    client_hears_text(fd, "HTTP/1.1 200 Connection established\r\n\r\nbanner");
    close(fd);
}

static void a_client_that_does_not_read_stops_its_channel(void **state)
{
    uint8_t *much = mem_zalloc(MUCH);
    struct fake_channel *channel;
    size_t had = 0;
    int fd;

    (void)state;
    fd = relays_at(scene_session(0, 0), &channel);
    fake_channel_send(channel, much, MUCH / 2);
    scene_settle();
    fake_channel_send(channel, much, MUCH / 2);
    scene_settle();
    assert_true(!channel->endpoint.resumed); /* the second half waits at the engine */
    assert_int_equal(buffer_length(&channel->in), MUCH / 2);
    while (had < MUCH) {
        ssize_t n;
        UNTIL((n = recv(fd, much, MUCH, 0)) > 0);
        had += (size_t)n;
    }
    assert_int_equal(had, MUCH);
    client_hears_nothing(fd);
    free(much);
    close(fd);
}

/* ---- windows */

static void a_closed_window_stops_the_client_and_an_open_one_lets_it_go_on(void **state)
{
    uint8_t *much = mem_zalloc(MUCH);
    struct fake_channel *channel;
    size_t sent = 0;
    ssize_t n;
    int fd;

    (void)state;
    fake.script.window_closed = true;
    fd = relays_at(scene_session(0, 0), &channel);
    for (;; scene_settle()) {
        n = send(fd, much, MUCH - sent, MSG_NOSIGNAL);
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    assert_int_equal(errno, EAGAIN);
    assert_true(sent < MUCH);
    assert_int_equal(buffer_length(&channel->got), 0);
    fake_channel_window(channel, 3);
    UNTIL(buffer_length(&channel->got) == 3);
    scene_settle();
    assert_int_equal(buffer_length(&channel->got), 3);
    shutdown(fd, SHUT_WR);
    scene_settle();
    assert_false(channel->got_eof);
    fake_channel_window(channel, sent);
    UNTIL(channel->got_eof);
    assert_int_equal(buffer_length(&channel->got), sent);
    free(much);
    close(fd);
}

static void a_channel_that_closes_with_its_window_shut_ends_the_client(void **state)
{
    struct fake_channel *channel;
    int fd;

    (void)state;
    fake.script.window_closed = true;
    fd = relays_at(scene_session(0, 0), &channel);
    client_says_text(fd, "nobody takes this");
    scene_settle();
    fake_channel_say(channel, "the last word");
    fake_channel_close(channel);
    client_hears_text(fd, "the last word");
    client_hears_end(fd);
    close(fd);
    all_is_given_back();
    assert_true(fake_channel_has(channel, ""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unconfirmed_open_is_asked_of_another_session),
        TEST(an_unconfirmed_open_waits_for_the_next_session),
        TEST(a_client_is_held_only_so_long),
        TEST(a_client_that_loses_its_session_is_held_for_what_is_left),
        TEST(a_confirmed_channel_that_dies_with_its_session_is_a_reset),
        TEST(a_cut_channel_is_a_reset),
        TEST(a_client_that_sends_no_more_is_still_answered),
        TEST(a_client_may_answer_a_server_that_sends_no_more),
        TEST(an_end_of_data_before_the_answer_is_passed_on_after_it),
        TEST(a_client_may_leave_before_it_has_asked),
        TEST(a_client_may_leave_while_it_waits),
        TEST(a_client_may_leave_before_the_answer),
        TEST(a_client_may_leave_a_relay),
        TEST(a_refusal_waits_for_a_client_that_reads_late),
        TEST(a_client_that_does_not_take_its_refusal_is_cut),
        TEST(a_client_that_reads_late_is_told_before_it_is_served),
        TEST(a_client_that_does_not_read_stops_its_channel),
        TEST(a_closed_window_stops_the_client_and_an_open_one_lets_it_go_on),
        TEST(a_channel_that_closes_with_its_window_shut_ends_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of a client from outside: what it asks for, what the server is asked for, and what the
 * client is told. How clients end is client_ends.c's. */
#include "worker_scene.h"

#define LISTENS                                                                                    \
    "[listen l]\naddress = 1080\n"                                                                 \
    "[forward near]\nlocal = 8000 web:80\n"                                                        \
    "[forward path]\nlocal = 8001 /run/web\n"

static int set_up(void **state)
{
    scene_set_up(state);
    scene_configure("hold = 20s\n", LISTENS);
    return 0;
}

/* The open that the server has to answer next. */
static struct fake_open *server_is_asked(void)
{
    struct fake_session *session = fake_session_at(0);

    UNTIL(fake_open_at(session, 0) != NULL);
    return fake_open_at(session, 0);
}

/* Bytes both ways. */
static void bytes_flow(int fd, struct fake_channel *channel)
{
    client_says_text(fd, "ping");
    UNTIL(fake_channel_has(channel, "ping"));
    fake_channel_say(channel, "pong");
    client_hears_text(fd, "pong");
}

/* ---- each protocol */

/* The client is told yes after the server's confirmation, and not before. */
static void is_served(int fd, const void *reply, size_t length)
{
    struct fake_open *open = server_is_asked();

    client_hears_nothing(fd);
    assert_string_equal(open->host, "web");
    assert_int_equal(open->port, 80);
    assert_string_equal(open->origin, "192.0.2.7");
    assert_int_equal(open->origin_port, 5555);
    fake_open_confirm(open);
    client_hears(fd, reply, length);
    bytes_flow(fd, open->channel);
    assert_int_equal(fake.script.opens, FAKE_NEVER);
    close(fd);
    UNTIL(open->channel->got_eof);
    fake_channel_close(open->channel);
    UNTIL(scene_clients() == 0);
    assert_int_equal(open->channel->state, FAKE_RELEASED);
    assert_int_equal(scene_outcomes(OUTCOME_OK), 1);
}

static int comes_with_a_server_that_waits(const char *listen)
{
    fake.script.opens = FAKE_NEVER;
    scene_session(0, 0);
    return client_comes(listen);
}

static void socks5_is_served(void **state)
{
    int fd = comes_with_a_server_that_waits("l");

    (void)state;
    client_asks(fd, "web");
    is_served(fd, (const uint8_t[]){5, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 10);
}

static void socks4a_is_served(void **state)
{
    int fd = comes_with_a_server_that_waits("l");

    (void)state;
    client_says(fd, "\x04\x01\x00\x50\x00\x00\x00\x01me\0web", 15);
    is_served(fd, (const uint8_t[]){0, 90, 0, 0, 0, 0, 0, 0}, 8);
}

static void http_connect_is_served(void **state)
{
    static const char reply[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    int fd = comes_with_a_server_that_waits("l");

    (void)state;
    client_says_text(fd, "CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n");
    is_served(fd, reply, strlen(reply));
}

static void a_local_forward_is_served_without_a_word(void **state)
{
    int fd = comes_with_a_server_that_waits("near");

    (void)state;
    is_served(fd, "", 0);
}

static void a_forward_to_a_path_asks_for_a_unix_socket(void **state)
{
    int fd = comes_with_a_server_that_waits("path");
    const struct fake_open *open = server_is_asked();

    (void)state;
    assert_true(open->is_unix);
    assert_string_equal(open->host, "/run/web");
    bytes_flow(fd, fake_open_confirm(fake_open_at(fake_session_at(0), 0)));
    close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const uint8_t request[] = {5, 2, 2, 0, 5, 1, 0, 1, 192, 0, 2, 1, 0, 80};
    int fd = comes_with_a_server_that_waits("l");

    (void)state;
    for (size_t i = 0; i < sizeof(request); i++) {
        client_says(fd, request + i, 1);
        scene_settle();
    }
    client_hears(fd, (const uint8_t[]){5, 0}, 2);
    assert_string_equal(server_is_asked()->host, "192.0.2.1");
    fake_open_confirm(fake_open_at(fake_session_at(0), 0));
    client_is_told(fd, 0);
    close(fd);
}

/* ---- refusals */

static const struct refusal {
    uint32_t reason;
    const char *text;
    uint8_t socks5;
    const char *http;
    enum outcome outcome;
} refusals[] = {
    {1, "open failed", 2, "HTTP/1.1 403", OUTCOME_PROHIBITED},
    {2, "Connection refused", 5, "HTTP/1.1 502", OUTCOME_REFUSED},
    {2, "Network is unreachable", 3, "HTTP/1.1 502", OUTCOME_NETWORK_UNREACHABLE},
    {2, "No route to host", 4, "HTTP/1.1 502", OUTCOME_HOST_UNREACHABLE},
    {2, "Connection timed out", 4, "HTTP/1.1 504", OUTCOME_CONNECT_TIMED_OUT},
    {2, "Name or service not known", 4, "HTTP/1.1 502", OUTCOME_UNKNOWN_HOST},
    {3, "unknown channel type", 7, "HTTP/1.1 502", OUTCOME_UNKNOWN_CHANNEL},
    {4, "resource shortage", 1, "HTTP/1.1 503", OUTCOME_SHORTAGE},
};

/* What follows a refusal: no slot is kept, and the session goes on. */
static void was_refused(int fd, const struct refusal *refusal, unsigned times)
{
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(scene_outcomes(refusal->outcome), times);
    assert_int_equal(atomic_load(&scene.gateway.tables[0]->slots[0].channels), 0);
    assert_null(fake_channel_at(fake_session_at(0), 0));
}

static void a_socks5_client_is_told_each_refusal(void **state)
{
    (void)state;
    fake.script.opens = FAKE_NO;
    scene_session(0, 0);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        int fd = client_comes("l");
        fake.script.reason = refusals[i].reason;
        fake.script.text = refusals[i].text;
        client_asks(fd, "web");
        client_is_told(fd, refusals[i].socks5);
        client_hears_end(fd);
        was_refused(fd, &refusals[i], 1);
    }
}

static void a_socks4_client_is_told_each_refusal(void **state)
{
    (void)state;
    fake.script.opens = FAKE_NO;
    scene_session(0, 0);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        int fd = client_comes("l");
        fake.script.reason = refusals[i].reason;
        fake.script.text = refusals[i].text;
        client_says(fd, "\x04\x01\x00\x50\x00\x00\x00\x01\0web", 13);
        client_hears(fd, (const uint8_t[]){0, 91, 0, 0, 0, 0, 0, 0}, 8);
        client_hears_end(fd);
        was_refused(fd, &refusals[i], 1);
    }
}

/* Reads to the end; the answer closes with the server's words. */
static void hears_http_refusal(int fd, const struct refusal *refusal)
{
    char got[2000];
    size_t length = 0;
    ssize_t n;

    client_hears_text(fd, refusal->http);
    for (;;) {
        UNTIL((n = recv(fd, got + length, sizeof(got) - 1 - length, 0)) >= 0 || errno != EAGAIN);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    got[length] = '\0';
    assert_int_equal(n, 0);
    assert_non_null(strstr(got, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(got, "\r\n\r\nadit: web:80: "));
}

static void an_http_client_is_told_each_refusal(void **state)
{
    (void)state;
    fake.script.opens = FAKE_NO;
    scene_session(0, 0);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        int fd = client_comes("l");
        fake.script.reason = refusals[i].reason;
        fake.script.text = refusals[i].text;
        client_says_text(fd, "CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\n");
        hears_http_refusal(fd, &refusals[i]);
        was_refused(fd, &refusals[i], 1);
    }
}

static void a_refused_local_forward_is_cut(void **state)
{
    int fd;

    (void)state;
    fake.script.opens = FAKE_NO;
    fake.script.reason = 2;
    fake.script.text = "Connection refused";
    scene_session(0, 0);
    fd = client_comes("near");
    client_is_cut(fd);
    was_refused(fd, &refusals[1], 1);
}

static void a_server_that_does_not_answer_in_time_is_a_refusal(void **state)
{
    int fd = comes_with_a_server_that_waits("l");
    struct fake_open *open;

    (void)state;
    client_asks(fd, "web");
    open = server_is_asked();
    scene_skip(29900);
    client_hears_nothing(fd);
    scene_skip(100);
    client_is_told(fd, 6);
    client_hears_end(fd);
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(scene_outcomes(OUTCOME_OPEN_TIMEOUT), 1);
    assert_true(open->cancelled);
    assert_null(fake_open_confirm(open)); /* nobody is told of it any more */
}

static void a_request_that_does_not_come_in_time_is_refused(void **state)
{
    int fd;

    (void)state;
    scene_session(0, 0);
    fd = client_comes("l");
    client_says(fd, (const uint8_t[]){5, 1, 0, 5}, 4);
    client_hears(fd, (const uint8_t[]){5, 0}, 2);
    scene_skip(9900);
    client_hears_nothing(fd);
    scene_skip(100);
    client_is_told(fd, 1);
    client_hears_end(fd);
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(scene_outcomes(OUTCOME_HANDSHAKE_TIMEOUT), 1);
    assert_null(TAILQ_FIRST(&fake_session_at(0)->opens));
}

static void what_is_no_request_is_refused(void **state)
{
    int fd = comes_with_a_server_that_waits("l");

    (void)state;
    client_says_text(fd, "CONNECT web HTTP/1.1\r\n\r\n");
    client_hears_text(fd, "HTTP/1.1 400");
    close(fd);
    UNTIL(scene_clients() == 0);
    assert_int_equal(scene_outcomes(OUTCOME_MALFORMED), 1);
    assert_null(fake_open_at(fake_session_at(0), 0));
}

/* ---- early bytes */

static void early_bytes_go_out_first(void **state)
{
    static const char request[] = "CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\nearly ";
    int fd = comes_with_a_server_that_waits("l");
    struct fake_open *open;

    (void)state;
    client_says_text(fd, request);
    open = server_is_asked();
    client_says_text(fd, "and more ");
    client_hears_nothing(fd);
    fake_open_confirm(open);
    client_hears_text(fd, "HTTP/1.1 200 Connection established\r\n\r\n");
    client_says_text(fd, "late");
    UNTIL(fake_channel_has(open->channel, "early and more late"));
    close(fd);
}

static void early_bytes_of_a_forward_go_out(void **state)
{
    int fd = comes_with_a_server_that_waits("near");
    struct fake_open *open = server_is_asked();

    (void)state;
    client_says_text(fd, "early ");
    scene_settle();
    shutdown(fd, SHUT_WR);
    scene_settle();
    fake_open_confirm(open);
    UNTIL(open->channel->got_eof);
    assert_true(fake_channel_has(open->channel, "early "));
    fake_channel_say(open->channel, "answer");
    client_hears_text(fd, "answer");
    close(fd);
}

static void early_bytes_are_the_next_sessions_when_the_first_is_lost(void **state)
{
    int fd = comes_with_a_server_that_waits("near");
    struct fake_open *open;

    (void)state;
    server_is_asked();
    client_says_text(fd, "early");
    scene_settle();
    scene_session(1, 0);
    fake_session_die(fake_session_at(0), "gone");
    open = server_is_asked();
    fake_open_confirm(open);
    UNTIL(fake_channel_has(open->channel, "early"));
    close(fd);
}

/* The server may send before the client has read what it is told. */
static void the_reply_comes_before_the_servers_bytes(void **state)
{
    int fd = comes_with_a_server_that_waits("l");
    struct fake_open *open;

    (void)state;
    client_asks(fd, "web");
    open = server_is_asked();
    fake_open_confirm(open);
    scene_settle();
    fake_channel_say(open->channel, "banner");
    client_is_told(fd, 0);
    client_hears_text(fd, "banner");
    close(fd);
}

static void the_limit_for_an_answer_goes_on_when_a_session_is_lost(void **state)
{
    struct fake_session *session = scene_session(0, 0);
    int fd = client_comes("l");

    (void)state;
    fake.script.opens = FAKE_NEVER;
    client_asks(fd, "192.0.2.7");
    UNTIL(fake_open_at(session, 0) != NULL);
    scene_skip(20000);
    fake_session_die(session, "gone");
    scene_settle();
    scene_skip(5000); /* (waiting for a session is not part of it) */
    session = scene_session(1, 0);
    UNTIL(fake_open_at(session, 0) != NULL);
    scene_skip(9000);
    client_hears_nothing(fd);
    scene_skip(1100);
    client_is_told(fd, 6);
    close(fd);
    UNTIL(scene_clients() == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scene_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_limit_for_an_answer_goes_on_when_a_session_is_lost),
        TEST(socks5_is_served),
        TEST(socks4a_is_served),
        TEST(http_connect_is_served),
        TEST(a_local_forward_is_served_without_a_word),
        TEST(a_forward_to_a_path_asks_for_a_unix_socket),
        TEST(a_request_may_come_byte_by_byte),
        TEST(a_socks5_client_is_told_each_refusal),
        TEST(a_socks4_client_is_told_each_refusal),
        TEST(an_http_client_is_told_each_refusal),
        TEST(a_refused_local_forward_is_cut),
        TEST(a_server_that_does_not_answer_in_time_is_a_refusal),
        TEST(a_request_that_does_not_come_in_time_is_refused),
        TEST(what_is_no_request_is_refused),
        TEST(early_bytes_go_out_first),
        TEST(early_bytes_of_a_forward_go_out),
        TEST(early_bytes_are_the_next_sessions_when_the_first_is_lost),
        TEST(the_reply_comes_before_the_servers_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of worker/http_exchange: responses. */
#include "exchange_scene.h"

#define INTERIMS_MAX 32 /* as http_exchange has it */

/* Of the origin, and of the client. */
static const size_t steps[] = {1, 2, 3, 7, 50, SIZE_MAX};
static const size_t appetites[] = {1, 2, 5, 64, GULP};

/* Runs one response through in all steps and appetites, with and without asking for room. */
static void run_all_ways(struct scene *scene, const char *says, size_t length,
                         void (*check)(struct scene *scene, const void *arg), const void *arg)
{
    for (size_t i = 0; i < COUNT(steps) * COUNT(appetites) * 2; i++) {
        start(scene, &no_body);
        scene->step = steps[i / 2 % COUNT(steps)];
        scene->asks_room = i % 2;
        origin_says(scene, says, length, true);
        client_takes_all(scene, appetites[i / 2 / COUNT(steps)]);
        assert_true(scene->eof_written);
        assert_true(scene->client.got_eof);
        check(scene, arg);
        finish(scene, false);
    }
}

/* ---- responses */

static void is_the_response(struct scene *scene, const void *arg)
{
    assert_got(scene, arg, strlen(arg));
    run_now(scene->loop);
    assert_int_equal(scene->closes, 0);
}

static void a_response_arrives_whole_however_it_comes_and_is_taken(void **state)
{
    static const struct {
        const char *what;
        const char *says;
        const char *gets;
    } cases[] = {
        {"head only", OK "\r\n", OK CLOSE},
        {"with a body", OK "Content-Length: 5\r\n\r\nhello",
         OK "Content-Length: 5\r\n" CLOSE "hello"},
        {"shorter after the rewrite",
         OK "Connection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\r\nhello",
         OK CLOSE "hello"},
        {"longer after the rewrite", "HTTP/1.0 200 OK\nA:b\nC:d\n\nhello",
         "HTTP/1.0 200 OK\r\nA:b\r\nC:d\r\n" CLOSE "hello"},
        {"a body like a head", OK "\r\n" OK "Connection: keep-alive\r\n\r\n",
         OK CLOSE OK "Connection: keep-alive\r\n\r\n"},
        {"a body of empty lines", OK "\r\n\r\n\n\r\n\n", OK CLOSE "\r\n\n\r\n\n"},
        {"an interim response first", "HTTP/1.1 100 Continue\r\n\r\n" OK "\r\nhello",
         "HTTP/1.1 100 Continue\r\n\r\n" OK CLOSE "hello"},
        {"several",
         "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\n\r\n"
         "HTTP/1.1 102 Processing\r\n\r\n"
         "HTTP/1.1 100 Continue\r\n\r\n" OK "\r\nhello",
         "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
         "HTTP/1.1 102 Processing\r\n\r\n"
         "HTTP/1.1 100 Continue\r\n\r\n" OK CLOSE "hello"},
        {"an interim head after the final one is body",
         OK "\r\nHTTP/1.1 100 Continue\r\nConnection: x\r\n\r\n",
         OK CLOSE "HTTP/1.1 100 Continue\r\nConnection: x\r\n\r\n"},
        {"101 is final", "HTTP/1.1 101 Switching Protocols\r\n\r\n\x01\x02\x03",
         "HTTP/1.1 101 Switching Protocols\r\n" CLOSE "\x01\x02\x03"},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        scene->what = cases[i].what;
        run_all_ways(scene, cases[i].says, strlen(cases[i].says), is_the_response, cases[i].gets);
    }
}

static void a_long_body_passes_untouched(void **state)
{
    static const char head[] = OK "\r\n";
    static const char new_head[] = OK CLOSE;
    char says[2000];
    char gets[sizeof says + sizeof new_head];
    size_t length = strlen(head);

    memcpy(says, head, length);
    for (unsigned i = 0; length < sizeof says; i++)
        says[length++] = (char)(i * 31 + i / 256); /* all bytes, and not in a short circle */
    strcpy(gets, new_head);
    memcpy(gets + strlen(new_head), says + strlen(head), length - strlen(head));
    for (size_t i = 0; i < COUNT(steps); i++)
        for (size_t n = 0; n < COUNT(appetites); n++) {
            struct scene *scene = *state;
            start(scene, &no_body);
            scene->step = steps[i];
            origin_says(scene, says, length, true);
            client_takes_all(scene, appetites[n]);
            assert_got(scene, gets, length - strlen(head) + strlen(new_head));
            assert_true(scene->client.got_eof);
            finish(scene, false);
        }
}

/* So that the relay does not end what has not arrived. */
static void an_exchange_drains_until_the_client_has_the_head(void **state)
{
    static const char says[] = OK "\r\n";
    static const char gets[] = OK CLOSE;
    struct scene *scene = *state;

    start(scene, &no_body);
    origin_says(scene, says, strlen(says), true);
    assert_int_equal(scene->written, strlen(says));
    for (size_t n = 1; n < strlen(gets); n++) {
        client_takes(scene, 1);
        assert_got(scene, gets, n);
        assert_true(endpoint_is_draining(scene->exchange));
        assert_int_equal(endpoint_room(scene->exchange), 0);
        assert_int_equal(scene->writables, 0);
        assert_false(scene->client.got_eof);
    }
    client_takes(scene, 1);
    assert_false(endpoint_is_draining(scene->exchange));
    assert_int_equal(scene->writables, 1);
    assert_got(scene, gets, strlen(gets));
    assert_true(scene->client.got_eof);
    finish(scene, false);
}

static void the_room_is_the_clients(void **state)
{
    struct scene *scene = *state;

    start(scene, &no_body);
    origin_says(scene, OK "\r\n", strlen(OK "\r\n"), false);
    client_takes_all(scene, GULP);
    assert_int_equal(endpoint_room(scene->exchange), scene->client.capacity);
    origin_says(scene, "hello", 5, false);
    assert_int_equal(scene->written, 5);
    assert_int_equal(scene->client.got_length, 5);
    assert_false(scene->client.got_eof);
    finish(scene, false);
}

/* ---- responses that are none */

/* The answer that the client gets, after what is sent on before. */
static size_t bad_response(char *gets, const char *before)
{
    static const char status[] = "HTTP/1.1 502 Bad Gateway\r\n";
    static const char error[] = "\r\nProxy-Status: adit; error=http_protocol_error; ";
    char answer[HTTP_REPLY_MAX];
    size_t length = http_reply(OUTCOME_BAD_RESPONSE, &target, NULL, answer);

    assert_memory_equal(answer, status, strlen(status));
    assert_non_null(memmem(answer, length, error, strlen(error)));
    assert_non_null(memmem(answer, length, "origin.example:8080", strlen("origin.example:8080")));
    strcpy(gets, before);
    memcpy(gets + strlen(before), answer, length);
    return strlen(before) + length;
}

/* The exchange says that the client has gone, but not from inside a write. */
static void is_refused_after(struct scene *scene, const void *before)
{
    char gets[4096];
    size_t length = bad_response(gets, before);

    assert_got(scene, gets, length);
    assert_int_equal(scene->written, scene->length);
    assert_true(endpoint_room(scene->exchange) > 0);
    assert_int_equal(scene->closes, 0);
    run_now(scene->loop);
    assert_int_equal(scene->closes, 1);
    if (!scene->eof_written)
        assert_int_equal(endpoint_write(scene->exchange, (const uint8_t *)OK, 5), 5);
    run_now(scene->loop);
    assert_int_equal(scene->closes, 1);
    assert_got(scene, gets, length);
}

static void what_is_no_http_is_answered_502_and_dropped(void **state)
{
#define CASE(what, says, before)                                                                   \
    {                                                                                              \
        what, says, sizeof(says) - 1, before                                                       \
    }
    static const struct {
        const char *what;
        const char *says;
        size_t length;
        const char *before; /* passes */
    } cases[] = {
        CASE("nothing", "", ""),
        CASE("a banner", "SSH-2.0-OpenSSH_9.2\r\nand what follows", ""),
        CASE("HTTP/0.9", "<html>\n<p>hello</p>\n", ""),
        CASE("another version", "HTTP/2 200\r\n\r\nhello", ""),
        CASE("no status", "HTTP/1.1 hello\r\n\r\n", ""),
        CASE("a NUL", OK "A: \0b\r\n\r\nhello", ""),
        CASE("less than a line", "HTTP/1.1 20", ""),
        CASE("half a head", OK "Content-Length: 5\r\n", ""),
        CASE("a head but its last byte", OK "\r", ""),
        CASE("an interim response only", "HTTP/1.1 100 Continue\r\n\r\n",
             "HTTP/1.1 100 Continue\r\n\r\n"),
        CASE("an interim response and half a head", "HTTP/1.1 100 Continue\r\n\r\n" OK,
             "HTTP/1.1 100 Continue\r\n\r\n"),
        CASE("an interim response and a banner", "HTTP/1.1 100 Continue\r\n\r\n220 ready\r\n",
             "HTTP/1.1 100 Continue\r\n\r\n"),
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        scene->what = cases[i].what;
        run_all_ways(scene, cases[i].says, cases[i].length, is_refused_after, cases[i].before);
    }
}

static void a_slow_client_gets_the_whole_answer_and_no_more_is_asked_for(void **state)
{
    static const char banner[] = "SSH-2.0-OpenSSH_9.2\r\n";
    struct scene *scene = *state;

    start(scene, &no_body);
    client_takes(scene, 9);
    origin_says(scene, banner, strlen(banner), false);
    assert_false(scene->client.got_eof);
    client_takes_all(scene, 9);
    assert_true(scene->client.got_eof);
    assert_int_equal(scene->writables, 0);
    is_refused_after(scene, "");
    assert_int_equal(scene->writables, 0);
    finish(scene, false);
}

static void too_many_interim_responses_are_refused(void **state)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char says[(INTERIMS_MAX + 2) * sizeof interim] = "";
    char before[sizeof says] = "";

    for (int i = 0; i < INTERIMS_MAX; i++)
        strcat(says, interim);
    strcpy(before, says);
    strcat(says, OK "\r\n");
    strcat(before, OK CLOSE);
    run_all_ways(*state, says, strlen(says), is_the_response, before);

    before[INTERIMS_MAX * strlen(interim)] = '\0';
    strcpy(says, before);
    strcat(says, interim);
    strcat(says, OK "\r\n");
    run_all_ways(*state, says, strlen(says), is_refused_after, before);
}

/* One byte after the other of such a head is not looked at; and it ends. */
static void a_head_that_does_not_end_is_refused(void **state)
{
    static char says[HTTP_HEAD_MAX + 10] = OK "A: ";
    static const size_t some_steps[] = {1, 1000, SIZE_MAX};
    struct scene *scene = *state;

    memset(says + strlen(says), 'a', sizeof says - strlen(says));
    for (size_t i = 0; i < COUNT(some_steps); i++) {
        start(scene, &no_body);
        scene->step = some_steps[i];
        origin_says(scene, says, sizeof says, false);
        client_takes_all(scene, GULP);
        assert_true(scene->client.got_eof);
        is_refused_after(scene, "");
        finish(scene, false);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_response_arrives_whole_however_it_comes_and_is_taken),
        TEST(a_long_body_passes_untouched),
        TEST(an_exchange_drains_until_the_client_has_the_head),
        TEST(the_room_is_the_clients),
        TEST(what_is_no_http_is_answered_502_and_dropped),
        TEST(a_slow_client_gets_the_whole_answer_and_no_more_is_asked_for),
        TEST(too_many_interim_responses_are_refused),
        TEST(a_head_that_does_not_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

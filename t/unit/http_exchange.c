/* Tests of worker/http_exchange. */
#include "exchange_scene.h"

#include "io/relay.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
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

#define OK "HTTP/1.1 200 OK\r\n"
#define CLOSE "Connection: close\r\n\r\n"

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
static void a_head_is_not_all_taken_before_the_client_has_it(void **state)
{
    static const char says[] = OK "\r\n";
    static const char gets[] = OK CLOSE;
    struct scene *scene = *state;

    start(scene, &no_body);
    origin_says(scene, says, strlen(says), true);
    assert_int_equal(scene->written, strlen(says) - 1);
    assert_int_equal(endpoint_room(scene->exchange), 0);
    for (size_t n = 1; n < strlen(gets); n++) {
        client_takes(scene, 1);
        assert_got(scene, gets, n);
        assert_int_equal(endpoint_room(scene->exchange), 0);
        assert_int_equal(scene->writables, 0);
        assert_int_equal(scene->written, strlen(says) - 1);
    }
    client_takes(scene, 1);
    assert_int_equal(scene->writables, 1);
    assert_int_equal(scene->written, strlen(says));
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

/* ---- requests */

static const struct http_body of_five = {.framing = HTTP_LENGTH, .left = 5};
static const struct http_body chunked = {.framing = HTTP_CHUNKED};
static const struct http_body until_close = {.framing = HTTP_UNTIL_CLOSE};

static void one_body_passes_and_what_follows_is_dropped(void **state)
{
#define CHUNKS "4;x=y\r\nwiki\r\n5\r\npedia\r\n0\r\nA: b\r\n\r\n"
#define NEXT "GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n"
    static const struct {
        const char *what;
        const struct http_body *body;
        const char *says;
        const char *hears;
    } cases[] = {
        {"no body", &no_body, "", ""},
        {"no body, and another request", &no_body, NEXT, ""},
        {"a counted body", &of_five, "hello", "hello"},
        {"a counted body, and another request", &of_five, "hello" NEXT NEXT, "hello"},
        {"less than announced", &of_five, "hell", "hell"},
        {"a chunked body", &chunked, CHUNKS, CHUNKS},
        {"a chunked body, and another request", &chunked, CHUNKS NEXT, CHUNKS},
        {"a chunked body, and another", &chunked, CHUNKS CHUNKS, CHUNKS},
        {"a body until the end", &until_close, "hello" NEXT, "hello" NEXT},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t n = 0; n < COUNT(steps); n++) {
            size_t length = strlen(cases[i].says);
            scene->what = cases[i].what;
            start(scene, cases[i].body);
            for (size_t at = 0; at < length;) {
                size_t left = length - at;
                scene->room = left; /* (the fake sends what there is room for) */
                at += sends(&scene->client, cases[i].says + at, left < steps[n] ? left : steps[n]);
            }
            assert_heard(scene, cases[i].hears);
            assert_int_equal(scene->eofs, 0);
            ends(&scene->client);
            assert_int_equal(scene->eofs, 1);
            assert_string_equal(scene->failed, "");
            assert_false(scene->client.got_eof);
            finish(scene, false);
        }
}

/* Else a client that is done would not be noticed while the relay is busy. */
static void after_the_body_the_relays_room_does_not_matter(void **state)
{
    struct scene *scene = *state;

    start(scene, &of_five);
    scene->room = 3;
    assert_int_equal(says(&scene->client, "hello" NEXT), 3);
    assert_int_equal(scene->room, 0);
    assert_int_equal(says(&scene->client, "lo" NEXT), 0);
    assert_false(scene->client.flowing);
    scene->room = 2;
    endpoint_resume(scene->exchange);
    assert_int_equal(says(&scene->client, "lo" NEXT), 2);
    assert_int_equal(scene->room, 0);
    assert_int_equal(says(&scene->client, NEXT), strlen(NEXT));
    assert_true(scene->client.flowing);
    assert_heard(scene, "hello");
    ends(&scene->client);
    assert_int_equal(scene->eofs, 1);
    finish(scene, false);
}

static void a_malformed_chunked_body_fails(void **state)
{
    static const struct {
        const char *says;
        const char *hears;
    } cases[] = {
        {"x", ""},
        {"4\r\nwikipedia\r\n", "4\r\nwiki"},
        {"4\r\nwiki\r\n-1\r\n", "4\r\nwiki\r\n"},
        {"4\nwiki", "4"},
        {"11111111111111111\r\n", "1111111111111111"},
        {"0\r\n: b\r\n", "0\r\n"},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t n = 0; n < COUNT(steps); n++) {
            size_t length = strlen(cases[i].says);
            scene->what = cases[i].says;
            start(scene, &chunked);
            for (size_t at = 0; at < length && scene->failed[0] == '\0';) {
                size_t left = length - at;
                at += sends(&scene->client, cases[i].says + at, left < steps[n] ? left : steps[n]);
                run_now(scene->loop);
            }
            assert_heard(scene, cases[i].hears);
            assert_string_equal(scene->failed, "malformed chunked body");
            finish(scene, true);
        }
}

/* ---- both */

static void what_befalls_the_client_is_passed_on(void **state)
{
    struct scene *scene = *state;

    start(scene, &of_five);
    goes(&scene->client);
    assert_int_equal(scene->closes, 1);
    assert_int_equal(scene->eofs, 0);
    finish(scene, false);

    start(scene, &of_five);
    breaks(&scene->client, "connection reset by peer");
    assert_string_equal(scene->failed, "connection reset by peer");
    assert_int_equal(scene->closes, 0);
    finish(scene, true);
}

static void a_response_may_come_before_the_requests_end(void **state)
{
    struct scene *scene = *state;

    start(scene, &of_five);
    says(&scene->client, "he");
    origin_says(scene, OK "\r\ngood day", strlen(OK "\r\ngood day"), true);
    client_takes_all(scene, GULP);
    assert_got(scene, OK CLOSE "good day", strlen(OK CLOSE "good day"));
    assert_true(scene->client.got_eof);
    says(&scene->client, "llo" NEXT);
    assert_heard(scene, "hello");
    ends(&scene->client);
    assert_int_equal(scene->eofs, 1);
    finish(scene, false);
}

/* Whatever it keeps then is freed: run with a sanitizer, or with valgrind. */
static void it_can_be_closed_at_any_time(void **state)
{
    static const struct {
        const char *what;
        const char *says;
        bool ends;
        size_t capacity;
        bool turned; /* the loop, since */
    } cases[] = {
        {"nothing happened", "", false, GULP, false},
        {"half a head", OK "A: b", false, GULP, false},
        {"the head is pending", OK "\r\n", false, 0, false},
        {"half the head is pending", OK "\r\nhello", false, 9, false},
        {"an interim head is pending", "HTTP/1.1 100 Continue\r\n\r\n" OK, false, 9, false},
        {"in the body", OK "\r\nhello", false, GULP, false},
        {"all is done", OK "\r\nhello", true, GULP, true},
        {"refused, untold", "SSH-2.0-x\r\n", false, GULP, false},
        {"refused, told", "SSH-2.0-x\r\n", false, GULP, true},
        {"refused, the answer is pending, untold", "SSH-2.0-x\r\n", false, 9, false},
        {"refused, the answer is pending", "SSH-2.0-x\r\n", false, 9, true},
        {"closed without a head", "", true, 0, false},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(cases) * 2; i++) {
        int closes;
        scene->what = cases[i / 2].what;
        start(scene, &of_five);
        scene->client.capacity = cases[i / 2].capacity;
        says(&scene->client, "hel");
        origin_says(scene, cases[i / 2].says, strlen(cases[i / 2].says), cases[i / 2].ends);
        if (cases[i / 2].turned)
            run_now(scene->loop);
        closes = scene->closes;
        finish(scene, i % 2);
        run_now(scene->loop);
        assert_int_equal(scene->closes, closes);
    }
}

/* (A channel must not be written to inside of anybody's `data`, and a socket may.) */
static void writes_are_gathered_if_the_clients_are(void **state)
{
    struct scene *scene = *state;

    for (int gathers = 0; gathers < 2; gathers++) {
        struct far_side client = {.gathers = gathers};
        struct endpoint *exchange =
            http_exchange_new(scene->loop, fake_new(&client), &no_body, &target);
        assert_int_equal(exchange->gathers, gathers);
        endpoint_close(exchange, false);
    }
}

static void relay_done(void *arg, const struct relay_result *result)
{
    *(bool *)arg = true;
    assert_int_equal(result->failed, -1);
}

/* The client has ended its half already and takes slowly; the origin says what is no HTTP, or less
 * than a head, and ends: nothing but the answer keeps the relay from its end. */
static void an_answer_of_its_own_goes_out_whole_before_the_relay_ends(void **state)
{
    static const char *const origins[] = {
        "SSH-2.0-x\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 2", "HTTP/1.1 2", "", ""};
    static const char bad[] = "HTTP/1.1 502 Bad Gateway\r\n";
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(origins); i++) {
        struct far_side client = {.capacity = 9};
        struct far_side origin = {.capacity = 1000};
        bool done = false;

        relay_new(scene->loop,
                  &(struct relay_start){
                      .a = http_exchange_new(scene->loop, fake_new(&client), &no_body, &target),
                      .b = fake_new(&origin),
                      .a_eof = true,
                      .done = relay_done,
                      .arg = &done,
                  });
        says(&origin, origins[i]);
        ends(&origin);
        run_now(scene->loop);
        assert_false(done);
        assert_int_equal(client.end, OPEN);
        if (i % 2 == 0)
            takes(&client, sizeof client.got - 9);
        else
            goes(&client);
        run_now(scene->loop);
        run_now(scene->loop);
        assert_true(done);
        assert_int_equal(client.end, CLOSED);
        if (i % 2 == 1)
            continue; /* (A client that has gone is not waited for.) */
        assert_true(client.got_eof);
        assert_memory_equal(client.got, bad, strlen(bad));
        assert_memory_equal(client.got + client.got_length - 1, "\n", 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_response_arrives_whole_however_it_comes_and_is_taken),
        TEST(a_long_body_passes_untouched),
        TEST(a_head_is_not_all_taken_before_the_client_has_it),
        TEST(the_room_is_the_clients),
        TEST(what_is_no_http_is_answered_502_and_dropped),
        TEST(a_slow_client_gets_the_whole_answer_and_no_more_is_asked_for),
        TEST(too_many_interim_responses_are_refused),
        TEST(a_head_that_does_not_end_is_refused),
        TEST(one_body_passes_and_what_follows_is_dropped),
        TEST(after_the_body_the_relays_room_does_not_matter),
        TEST(a_malformed_chunked_body_fails),
        TEST(what_befalls_the_client_is_passed_on),
        TEST(a_response_may_come_before_the_requests_end),
        TEST(it_can_be_closed_at_any_time),
        TEST(writes_are_gathered_if_the_clients_are),
        TEST(an_answer_of_its_own_goes_out_whole_before_the_relay_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

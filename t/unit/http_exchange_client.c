/* Tests of worker/http_exchange: requests, owners, and both directions at once. */
#include "exchange_scene.h"

#include "io/relay.h"

static const size_t steps[] = {1, 2, 3, 7, 50, SIZE_MAX}; /* of the client */

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
    assert_false(is_flowing(&scene->client));
    scene->room = 2;
    endpoint_resume(scene->exchange);
    assert_int_equal(says(&scene->client, "lo" NEXT), 2);
    assert_int_equal(scene->room, 0);
    assert_int_equal(says(&scene->client, NEXT), strlen(NEXT));
    assert_true(is_flowing(&scene->client));
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

/* ---- owners */

/* (The scene is the first owner.) */
static void gets_owner(struct scene *scene, struct scene *second)
{
    *second = (struct scene){.exchange = scene->exchange, .room = SIZE_MAX};
    endpoint_own(second->exchange, &relay_events, second);
}

static void each_owner_is_told_of_the_clients_end_once_it_has_resumed(void **state)
{
    struct scene *scene = *state;

    for (int gone = 0; gone < 2; gone++) {
        start(scene, &of_five);
        if (gone)
            goes(&scene->client);
        else
            ends(&scene->client);
        for (int i = 0; i < 2; i++) {
            struct scene second;
            gets_owner(scene, &second);
            run_now(scene->loop);
            assert_int_equal(second.eofs + second.closes, 0);
            endpoint_resume(second.exchange);
            assert_int_equal(second.eofs + second.closes, 0);
            run_now(scene->loop);
            endpoint_resume(second.exchange);
            run_now(scene->loop);
            assert_int_equal(second.eofs, !gone);
            assert_int_equal(second.closes, gone);
        }
        assert_int_equal(scene->eofs + scene->closes, 1);
        finish(scene, false);
    }
}

static void a_new_owner_gets_nothing_before_it_resumes(void **state)
{
    struct scene *scene = *state;

    for (int asks_room = 0; asks_room < 2; asks_room++) {
        struct scene second;
        start(scene, &of_five);
        scene->client.asks_room = asks_room;
        assert_int_equal(says(&scene->client, "he"), 2);
        gets_owner(scene, &second);
        assert_int_equal(says(&scene->client, "llo"), 0);
        assert_false(is_flowing(&scene->client));
        endpoint_resume(second.exchange);
        assert_true(is_flowing(&scene->client));
        assert_int_equal(says(&scene->client, "llo"), 3);
        assert_heard(scene, "he");
        assert_heard(&second, "llo");
        ends(&scene->client);
        assert_int_equal(second.eofs, 1);
        finish(scene, false);
    }
}

static void a_new_owner_is_told_that_the_exchange_has_ended_itself(void **state)
{
    struct scene *scene = *state;
    struct scene second;

    start(scene, &no_body);
    client_takes(scene, 9);
    origin_says(scene, "SSH-2.0-x\r\n", 11, false);
    gets_owner(scene, &second);
    endpoint_resume(second.exchange);
    run_now(scene->loop);
    assert_int_equal(second.closes, 0);
    client_takes_all(scene, 9);
    run_now(scene->loop);
    assert_int_equal(second.closes, 1);
    assert_int_equal(scene->closes, 0);
    finish(scene, false);
}

/* A channel offers bytes without asking for room. What the relay refuses comes again, and counts as
 * the body's only once. */
static void what_the_relay_refuses_of_a_body_passes_later(void **state)
{
    static const struct {
        const char *what;
        const struct http_body *body;
        const char *first, *second, *hears;
    } cases[] = {
        {"a counted body", &of_five, "he", "llo" NEXT, "hello"},
        {"a chunked body", &chunked, "5\r\nhe", "llo\r\n0\r\n\r\n" NEXT, "5\r\nhello\r\n0\r\n\r\n"},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        scene->what = cases[i].what;
        start(scene, cases[i].body);
        scene->client.asks_room = false;
        scene->room = strlen(cases[i].first);
        assert_int_equal(says(&scene->client, cases[i].first), strlen(cases[i].first));
        for (int again = 0; again < 3; again++) {
            assert_int_equal(says(&scene->client, cases[i].second), 0);
            endpoint_resume(scene->exchange);
        }
        scene->room = SIZE_MAX;
        assert_int_equal(says(&scene->client, cases[i].second), strlen(cases[i].second));
        assert_heard(scene, cases[i].hears);
        assert_string_equal(scene->failed, "");
        finish(scene, false);
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
        struct far_side client = {.capacity = 9, .ended = true};
        struct far_side origin = {.capacity = 1000};
        bool done = false;

        relay_new(scene->loop,
                  &(struct relay_start){
                      .a = http_exchange_new(scene->loop, fake_new(&client), &no_body, &target),
                      .b = fake_new(&origin),
                      .done = relay_done,
                      .arg = &done,
                  });
        tells(&client);
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
        TEST(one_body_passes_and_what_follows_is_dropped),
        TEST(after_the_body_the_relays_room_does_not_matter),
        TEST(a_malformed_chunked_body_fails),
        TEST(each_owner_is_told_of_the_clients_end_once_it_has_resumed),
        TEST(a_new_owner_gets_nothing_before_it_resumes),
        TEST(a_new_owner_is_told_that_the_exchange_has_ended_itself),
        TEST(what_the_relay_refuses_of_a_body_passes_later),
        TEST(what_befalls_the_client_is_passed_on),
        TEST(a_response_may_come_before_the_requests_end),
        TEST(it_can_be_closed_at_any_time),
        TEST(an_answer_of_its_own_goes_out_whole_before_the_relay_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

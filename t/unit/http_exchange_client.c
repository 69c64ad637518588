/* Tests of worker/http_exchange: ends, cuts, and the order of things. */
#include "exchange_scene.h"

#define LENGTH_5                                                                                   \
    {                                                                                              \
        .framing = HTTP_LENGTH, .left = 5                                                          \
    }
#define CHUNKED                                                                                    \
    {                                                                                              \
        .framing = HTTP_CHUNKED                                                                    \
    }

static const struct script plain = {.what = "a GET"};
static const struct script kept = {
    .what = "a GET by a kept connection", .kept = true, .repeatable = true};
static const struct script of_five = {.what = "a POST", .body = LENGTH_5};
static const struct script chunked = {.what = "a POST in chunks", .body = CHUNKED};

/* An exchange whose request's head has arrived. */
static void begin(struct scene *scene, const struct script *script)
{
    start(scene, script);
    takes(&scene->client, GULP);
    takes(&scene->origin, GULP);
    run_now(scene->loop);
    assert_int_equal(scene->origin.got_length, strlen(HEAD));
    assert_true(is_flowing(&scene->client));
    assert_true(is_flowing(&scene->origin));
}

static void assert_ended(struct scene *scene, enum http_exchange_end end)
{
    run_now(scene->loop);
    if (scene->exchange != NULL)
        fail_msg("%s: it does not end", scene->script->what);
    assert_int_equal(scene->result.end, end);
    close_returned(scene);
    assert_null(scene->client.endpoint);
    assert_null(scene->origin.endpoint);
}

static void assert_got(const struct far_side *far, const char *text)
{
    assert_true(far->got_length >= strlen(text));
    assert_memory_equal(far->got, text, strlen(text));
}

/* ---- the client ends */

static void the_clients_end_is_passed_on_and_nothing_stays(void **state)
{
    struct scene *scene = *state;

    begin(scene, &plain);
    ends(&scene->client);
    assert_true(scene->origin.got_eof);
    says(&scene->origin, OK "Content-Length: 0\r\n\r\n");
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);
    assert_got(&scene->client, OK "Content-Length: 0\r\n" CLOSE);
    assert_true(scene->client.got_eof);
    assert_int_equal(scene->client.end, CLOSED);
}

static void an_end_inside_the_request_is_passed_on(void **state)
{
    struct scene *scene = *state;

    begin(scene, &of_five);
    says(&scene->client, "he");
    ends(&scene->client);
    assert_got(&scene->origin, HEAD "he");
    assert_true(scene->origin.got_eof);
    says(&scene->origin, "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n");
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);
}

static void an_end_between_head_and_end_of_the_response_closes(void **state)
{
    struct scene *scene = *state;

    begin(scene, &plain);
    says(&scene->origin, OK "Content-Length: 5\r\n\r\nhe");
    run_now(scene->loop);
    ends(&scene->client);
    says(&scene->origin, "llo");
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);
    assert_got(&scene->client, OK "Content-Length: 5\r\n" END "hello");
}

static void a_client_that_goes_or_breaks_takes_the_origin_along(void **state)
{
    struct scene *scene = *state;

    begin(scene, &plain);
    goes(&scene->client);
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);

    begin(scene, &plain);
    breaks(&scene->client, "reset");
    assert_ended(scene, HTTP_EXCHANGE_FAILED);
    assert_int_equal(scene->result.failed, 0);
    assert_string_equal(scene->reason, "reset");
    assert_int_equal(scene->origin.end, ABORTED);
}

/* The response is whole, and `done` is due. */
static void what_breaks_at_the_very_end_is_not_given_back(void **state)
{
    struct scene *scene = *state;

    begin(scene, &plain);
    says(&scene->origin, OK "Content-Length: 0\r\n\r\n");
    breaks(&scene->client, "reset");
    assert_ended(scene, HTTP_EXCHANGE_FAILED);

    begin(scene, &plain);
    scene->client.capacity = 0;
    says(&scene->origin, OK "Content-Length: 5\r\n\r\nhello");
    run_now(scene->loop);
    breaks(&scene->origin, "session lost");
    takes(&scene->client, GULP);
    run_now(scene->loop);
    assert_null(scene->exchange);
    assert_null(scene->result.origin);
    assert_got(&scene->client, OK "Content-Length: 5\r\n" END "hello");
    assert_ended(scene, HTTP_EXCHANGE_KEPT);
}

/* ---- the origin ends */

static void an_origin_that_breaks_is_what_it_means_for_the_response(void **state)
{
    struct scene *scene = *state;

    begin(scene, &plain);
    breaks(&scene->origin, "session lost");
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);
    assert_int_equal(scene->result.outcome, OUTCOME_NO_RESPONSE);
    assert_string_equal(scene->reason, "session lost");
    assert_got(&scene->client, "HTTP/1.1 502 Bad Gateway\r\n");

    begin(scene, &plain);
    says(&scene->origin, OK "Content-Length: 5\r\n\r\nhe");
    run_now(scene->loop);
    breaks(&scene->origin, "session lost");
    assert_ended(scene, HTTP_EXCHANGE_FAILED);
    assert_int_equal(scene->result.failed, 1);
    assert_int_equal(scene->client.end, ABORTED);
}

static void a_kept_connection_that_ends_unheard_is_stale(void **state)
{
    struct scene *scene = *state;

    for (int how = 0; how < 3; how++) {
        begin(scene, &kept);
        says(&scene->client, NEXT);
        if (how == 0)
            ends(&scene->origin);
        else if (how == 1)
            goes(&scene->origin);
        else
            breaks(&scene->origin, "session lost");
        run_now(scene->loop);
        assert_null(scene->exchange);
        assert_string_equal(scene->next, NEXT);
        assert_int_equal(scene->client.got_length, 0);
        assert_non_null(scene->result.client);
        assert_ended(scene, HTTP_EXCHANGE_STALE);
    }
}

/* What it may have done cannot be known: the client sees what it would see without a proxy. */
static void a_kept_connection_that_ends_unheard_closes_what_is_not_repeatable(void **state)
{
    static const struct script post = {.what = "a POST by a kept connection", .kept = true};
    struct scene *scene = *state;

    begin(scene, &post);
    ends(&scene->origin);
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);
    assert_int_equal(scene->result.outcome, OUTCOME_NO_RESPONSE);
    assert_int_equal(scene->client.got_length, 0);
    assert_true(scene->client.got_eof);
}

/* ---- bodies */

static void a_malformed_body_is_answered_or_cuts(void **state)
{
    struct scene *scene = *state;

    begin(scene, &chunked);
    says(&scene->client, "5\r\nhel");
    says(&scene->client, "loX");
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);
    assert_int_equal(scene->result.outcome, OUTCOME_MALFORMED);
    assert_got(&scene->client, "HTTP/1.1 400 Bad Request\r\n");
    assert_got(&scene->origin, HEAD "5\r\nhello");
    assert_int_equal(scene->origin.got_length, strlen(HEAD "5\r\nhello"));
    assert_int_equal(scene->origin.end, ABORTED);

    begin(scene, &chunked);
    says(&scene->origin, OK "Content-Length: 5\r\n\r\nhe");
    run_now(scene->loop);
    says(&scene->client, "X");
    assert_ended(scene, HTTP_EXCHANGE_FAILED);
    assert_int_equal(scene->result.failed, 0);
}

static void the_client_is_paused_while_the_origin_takes_nothing(void **state)
{
    struct scene *scene = *state;

    for (int asks = 0; asks < 2; asks++) {
        begin(scene, &of_five);
        scene->client.asks_room = asks;
        scene->origin.capacity = asks ? 0 : 1;
        if (!asks) {
            assert_int_equal(says(&scene->client, "he"), 2);
            assert_int_equal(says(&scene->client, "llo"), 0);
        } else {
            assert_int_equal(says(&scene->client, "hello"), 0);
        }
        assert_false(is_flowing(&scene->client));
        takes(&scene->origin, GULP);
        assert_true(is_flowing(&scene->client));
        says(&scene->client, asks ? "hello" : "llo");
        assert_got(&scene->origin, HEAD "hello");
        http_exchange_abort(scene->exchange);
    }
}

static void a_client_that_asks_on_and_on_is_paused(void **state)
{
    static char requests[512 * 1024];
    struct scene *scene = *state;
    size_t taken = 0, now;

    memset(requests, 'x', sizeof requests);
    begin(scene, &plain);
    do {
        now = sends(&scene->client, requests + taken, sizeof requests - taken);
        taken += now;
    } while (now > 0);
    assert_in_range(taken, HTTP_HEAD_MAX, 2 * HTTP_HEAD_MAX);
    assert_false(is_flowing(&scene->client));
    http_exchange_abort(scene->exchange);
}

static void a_body_that_the_client_does_not_take_pauses_the_origin(void **state)
{
    struct scene *scene = *state;

    begin(scene, &plain);
    says(&scene->origin, OK "Content-Length: 9\r\n\r\n");
    run_now(scene->loop);
    scene->client.capacity = 3;
    assert_int_equal(says(&scene->origin, "hello"), 5);
    assert_int_equal(says(&scene->origin, " you"), 0);
    assert_false(is_flowing(&scene->origin));
    takes(&scene->client, GULP);
    run_now(scene->loop);
    assert_int_equal(says(&scene->origin, " you"), 4);
    assert_got(&scene->client, OK "Content-Length: 9\r\n" END "hello you");
    assert_ended(scene, HTTP_EXCHANGE_KEPT);
}

/* An answer of adit's own goes out whole before the connection is closed. */
static void a_slow_client_gets_the_whole_answer(void **state)
{
    struct scene *scene = *state;

    begin(scene, &plain);
    scene->client.capacity = 9;
    says(&scene->origin, "SSH-2.0-x\r\n");
    run_now(scene->loop);
    assert_non_null(scene->exchange);
    assert_int_equal(scene->client.end, OPEN);
    assert_null(scene->origin.endpoint);
    says(&scene->client, "what is still sent is dropped");
    while (scene->exchange != NULL) {
        takes(&scene->client, 9);
        run_now(scene->loop);
    }
    assert_got(&scene->client, "HTTP/1.1 502 Bad Gateway\r\n");
    assert_memory_equal(scene->client.got + scene->client.got_length - 1, "\n", 1);
    assert_ended(scene, HTTP_EXCHANGE_CLOSED);
    assert_int_equal(scene->client.end, CLOSED);
}

static void bytes_are_counted(void **state)
{
    static const char response[] = OK "Content-Length: 5\r\n\r\nhello";
    struct scene *scene = *state;
    uint64_t bytes[2];

    begin(scene, &of_five);
    says(&scene->client, "he");
    says(&scene->origin, OK);
    http_exchange_bytes(scene->exchange, bytes);
    assert_int_equal(bytes[0], strlen(HEAD "he"));
    assert_int_equal(bytes[1], strlen(OK));
    says(&scene->client, "llo" NEXT);
    says(&scene->origin, response + strlen(OK));
    assert_ended(scene, HTTP_EXCHANGE_KEPT);
    assert_int_equal(scene->result.bytes[0], strlen(HEAD "hello"));
    assert_int_equal(scene->result.bytes[1], strlen(response));
}

/* Whatever it keeps then is freed: run with a sanitizer, or with valgrind. */
static void it_can_be_aborted_at_any_time(void **state)
{
    static const struct script script = {
        "aborted", .body = CHUNKED, .client_says = "5\r\nhello\r\n0\r\n\r\n" NEXT,
        .origin_gets = "5\r\nhello\r\n0\r\n\r\n",
        .origin_says = "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 5\r\n\r\nhello"};
    struct scene *scene = *state;

    scene->step = scene->appetite = 3;
    for (int turns = 0; turns < 150; turns++) {
        start(scene, &script);
        for (int i = 0; i < turns && scene->exchange != NULL; i++)
            turn(scene);
        if (scene->exchange != NULL)
            http_exchange_abort(scene->exchange);
        else
            close_returned(scene);
        run_now(scene->loop);
        assert_null(scene->client.endpoint);
        assert_null(scene->origin.endpoint);
    }
    assert_null(scene->exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_clients_end_is_passed_on_and_nothing_stays),
        TEST(an_end_inside_the_request_is_passed_on),
        TEST(an_end_between_head_and_end_of_the_response_closes),
        TEST(a_client_that_goes_or_breaks_takes_the_origin_along),
        TEST(what_breaks_at_the_very_end_is_not_given_back),
        TEST(an_origin_that_breaks_is_what_it_means_for_the_response),
        TEST(a_kept_connection_that_ends_unheard_is_stale),
        TEST(a_kept_connection_that_ends_unheard_closes_what_is_not_repeatable),
        TEST(a_malformed_body_is_answered_or_cuts),
        TEST(the_client_is_paused_while_the_origin_takes_nothing),
        TEST(a_client_that_asks_on_and_on_is_paused),
        TEST(a_body_that_the_client_does_not_take_pauses_the_origin),
        TEST(a_slow_client_gets_the_whole_answer),
        TEST(bytes_are_counted),
        TEST(it_can_be_aborted_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

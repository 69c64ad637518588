/* Tests of worker/http_exchange: requests that go to the origin ahead of their turn, each with an
 * exchange of its own. */
#include "ahead_scene.h"

/* ---- what goes ahead */

static void they_go_behind_a_response_that_shows_that_the_connection_stays(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    use(scene, SIZE_MAX, GULP);
    begin(&owner, scene, GET("/1") GET("/2") GET("/3"));
    assert_origin_got(scene, ASKED("/1"));
    origin_says(scene, OK "Content-Length: 3\r\n", SIZE_MAX);
    assert_origin_got(scene, ASKED("/1"));
    origin_says(scene, "\r\n", SIZE_MAX);
    assert_origin_got(scene, ASKED("/1") ASKED("/2") ASKED("/3"));
    origin_says(scene, "one" SAYS("two") SAYS("333"), SIZE_MAX);
    assert_client_got(scene, GETS("one") GETS("two") GETS("333"));
    assert_int_equal(owner.ended, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(owner.ends[i], HTTP_EXCHANGE_KEPT);
        assert_int_equal(owner.bytes[i][0], strlen(ASKED("/1")));
        assert_int_equal(owner.bytes[i][1], strlen(SAYS("one")));
    }
    finish(&owner);
}

static void they_go_when_they_come(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    use(scene, SIZE_MAX, GULP);
    begin(&owner, scene, GET("/1") "\r\n" GET("/2") "\r\n" GET("/3"));
    origin_says(scene, SAYS("one"), SIZE_MAX);
    assert_origin_got(scene, ASKED("/1") ASKED("/2") ASKED("/3"));
    says(&scene->client, "\r\nGET http://a/4 HT");
    let_run(scene);
    assert_origin_got(scene, ASKED("/1") ASKED("/2") ASKED("/3"));
    says(&scene->client, "TP/1.1\r\n\r\n\r\n" GET("/5") GET("/6") GET("/7"));
    let_run(scene);
    /* (Four may be ahead of the one whose turn it is.) */
    assert_origin_got(scene,
                      ASKED("/1") ASKED("/2") ASKED("/3") ASKED("/4") ASKED("/5") ASKED("/6"));
    origin_says(scene, SAYS("two"), SIZE_MAX);
    assert_origin_got(scene, ASKED("/1") ASKED("/2") ASKED("/3") ASKED("/4") ASKED("/5") ASKED("/6")
                                 ASKED("/7"));
    origin_says(scene, SAYS("333") SAYS("444") SAYS("555") SAYS("666") SAYS("777"), SIZE_MAX);
    assert_client_got(scene, GETS("one") GETS("two") GETS("333") GETS("444") GETS("555") GETS("666")
                                 GETS("777"));
    finish(&owner);
}

static void each_response_has_its_framing_in_all_pieces(void **state)
{
    static const char requests[] =
        GET("/1") "HEAD http://a/2 HTTP/1.1\r\n\r\n" GET("/3") GET("/4") GET("/5") GET("/6");
    static const char responses[] =
        "one" OK "Content-Length: 700\r\n\r\n"
        "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n"
        "HTTP/1.1 103 Early\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        "HTTP/1.1 204 No\r\n\r\n" SAYS("six");
    static const char gets[] = GETS("one") OK
        "Content-Length: 700\r\n" END "HTTP/1.1 304 No\r\nContent-Length: 5\r\n" END
        "HTTP/1.1 103 Early\r\n" END OK "Transfer-Encoding: chunked\r\n" END "1\r\nx\r\n0\r\n\r\n"
        "HTTP/1.1 204 No\r\n" END GETS("six");
    struct scene *scene = *state;
    struct owner owner;

    for (size_t n = 0; n < COUNT(steps) * COUNT(appetites); n++) {
        use(scene, steps[n % COUNT(steps)], appetites[n / COUNT(steps)]);
        begin(&owner, scene, requests);
        owner.limit = REQUESTS_MAX;
        origin_says_all(scene, OK "Content-Length: 3\r\n\r\n");
        origin_says_all(scene, responses);
        assert_client_got(scene, gets);
        assert_int_equal(owner.ended, 6);
        assert_non_null(scene->origin.endpoint);
        finish(&owner);
    }
}

/* ---- what does not */

static void nothing_goes_ahead_of_what_may_end_the_connection(void **state)
{
    static const struct {
        const char *what, *requests, *says;
    } cases[] = {
        {"a response in HTTP/1.0", GET("/1") GET("/2"),
         "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n"},
        {"a response that says close", GET("/1") GET("/2"),
         OK "Connection: close\r\nContent-Length: 3\r\n\r\n"},
        {"a response without a length", GET("/1") GET("/2"), OK "\r\n"},
        {"ICY", GET("/1") GET("/2"), "ICY 200 OK\r\n\r\n"},
        {"a request that says close",
         "GET http://a/1 HTTP/1.1\r\nConnection: close\r\n\r\n" GET("/2"),
         OK "Content-Length: 3\r\n\r\n"},
        {"an interim response", GET("/1") GET("/2"), "HTTP/1.1 103 Early\r\n\r\n"},
        {"a POST behind it", GET("/1") "POST http://a/2 HTTP/1.1\r\n\r\n" GET("/3"),
         OK "Content-Length: 3\r\n\r\n"},
        {"what is no request behind it", GET("/1") "a b c\r\n\r\n" GET("/3"),
         OK "Content-Length: 3\r\n\r\n"},
    };
    struct scene *scene = *state;
    struct owner owner;

    for (size_t i = 0; i < COUNT(cases); i++) {
        use(scene, SIZE_MAX, GULP);
        begin(&owner, scene, cases[i].requests);
        origin_says(scene, cases[i].says, SIZE_MAX);
        if (scene->origin.got_length != strlen(ASKED("/1")))
            fail_msg("%s: the origin got \"%.*s\"", cases[i].what, (int)scene->origin.got_length,
                     scene->origin.got);
        finish(&owner);
    }
}

static void nothing_goes_ahead_of_a_response_to_what_cannot_be_repeated(void **state)
{
    static const char post[] = "POST http://a/2 HTTP/1.1\r\nContent-Length: 2\r\n\r\n";
    static const char asked[] = "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n" END;
    struct scene *scene = *state;
    struct owner owner;
    size_t before;

    use(scene, SIZE_MAX, GULP);
    begin(&owner, scene, GET("/1"));
    origin_says(scene, SAYS("one"), SIZE_MAX);
    assert_null(scene->exchange);
    before = scene->origin.got_length;
    buffer_append(&owner.in, post, strlen(post));
    begin_next(&owner);
    let_run(scene);
    says(&scene->client, "x");
    says(&scene->client, "y" GET("/3"));
    let_run(scene);
    assert_int_equal(scene->origin.got_length, before + strlen(asked) + 2);
    origin_says(scene, OK "Content-Length: 3\r\n\r\n", SIZE_MAX);
    assert_int_equal(scene->origin.got_length, before + strlen(asked) + 2 + strlen(ASKED("/3")));
    finish(&owner);
}

static void nothing_goes_ahead_of_an_upgrade(void **state)
{
    static const char upgrade[] =
        "GET http://a/2 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    struct scene *scene = *state;
    struct owner owner;
    size_t before;

    use(scene, SIZE_MAX, GULP);
    begin(&owner, scene, GET("/1"));
    origin_says(scene, SAYS("one"), SIZE_MAX);
    before = scene->origin.got_length;
    buffer_append(&owner.in, upgrade, strlen(upgrade));
    begin_next(&owner);
    let_run(scene);
    says(&scene->client, GET("/3"));
    let_run(scene);
    assert_int_equal(scene->origin.got_length, before + strlen(ASKED("/2")));
    origin_says(scene, SAYS("two"), SIZE_MAX);
    assert_int_equal(scene->origin.got_length, before + strlen(ASKED("/2") ASKED("/3")));
    finish(&owner);
}

static void what_is_kept_is_counted(void **state)
{
    static const char next[] = "POST http://a/2 HTTP/1.1";
    static const char part[] = "HTTP/1.1 200 OK\r\nContent-Length";
    struct scene *scene = *state;
    struct owner owner;

    use(scene, SIZE_MAX, GULP);
    begin(&owner, scene, GET("/1"));
    assert_int_equal(http_exchange_held(scene->exchange), 0);
    says(&scene->client, next);
    let_run(scene);
    assert_int_equal(http_exchange_held(scene->exchange), strlen(next));
    says(&scene->origin, part);
    let_run(scene);
    assert_int_equal(http_exchange_held(scene->exchange), strlen(next) + strlen(part));
    finish(&owner);
}

/* ---- ends */

/* Three requests, the last two of which are ahead. */
static void begin_three(struct owner *owner, struct scene *scene)
{
    use(scene, SIZE_MAX, GULP);
    begin(owner, scene, GET("/1") GET("/2") GET("/3"));
    origin_says(scene, SAYS("one"), SIZE_MAX);
    assert_origin_got(scene, ASKED("/1") ASKED("/2") ASKED("/3"));
}

static void an_origin_that_ends_behind_its_answers_was_not_early(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    for (int gone = 0; gone < 2; gone++) {
        use(scene, SIZE_MAX, GULP);
        begin(&owner, scene, GET("/1") GET("/2") GET("/3"));
        origin_says(scene, OK "Content-Length: 3\r\n\r\n", SIZE_MAX);
        sends(&scene->origin, "one" SAYS("two") SAYS("333"), strlen("one" SAYS("two") SAYS("333")));
        if (gone)
            goes(&scene->origin);
        else
            ends(&scene->origin);
        for (int i = 0; i < 10; i++) {
            let_run(scene);
            if (scene->origin.endpoint != NULL)
                tells(&scene->origin);
        }
        assert_client_got(scene, GETS("one") GETS("two") GETS("333"));
        assert_int_equal(owner.ended, 3);
        finish(&owner);
    }
}

static void an_origin_that_ends_early_is_asked_again_and_not_ahead(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    for (int how = 0; how < 3; how++) {
        begin_three(&owner, scene);
        if (how == 0)
            ends(&scene->origin);
        else if (how == 1)
            goes(&scene->origin);
        else
            breaks(&scene->origin, "Connection reset by peer");
        let_run(scene);
        assert_int_equal(owner.ends[1], HTTP_EXCHANGE_STALE);
        assert_origin_got(scene, ASKED("/2"));
        origin_says(scene, SAYS("two"), SIZE_MAX);
        assert_origin_got(scene, ASKED("/2") ASKED("/3"));
        origin_says(scene, SAYS("333"), SIZE_MAX);
        assert_client_got(scene, GETS("one") GETS("two") GETS("333"));
        finish(&owner);
    }
}

static void an_origin_that_closes_is_asked_again(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    begin_three(&owner, scene);
    origin_says(scene, OK "Connection: close\r\nContent-Length: 3\r\n\r\ntwo" SAYS("333"),
                SIZE_MAX);
    assert_origin_got(scene, ASKED("/3"));
    assert_client_got(scene, GETS("one") GETS("two"));
    origin_says(scene, SAYS("333"), SIZE_MAX);
    assert_client_got(scene, GETS("one") GETS("two") GETS("333"));
    finish(&owner);
}

static void what_is_no_response_to_a_request_ahead_is_asked_for_alone(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    begin_three(&owner, scene);
    origin_says(scene, SAYS("two") "and more", SIZE_MAX);
    assert_int_equal(owner.ends[2], HTTP_EXCHANGE_STALE);
    assert_origin_got(scene, ASKED("/3"));
    origin_says(scene, SAYS("333"), SIZE_MAX);
    assert_client_got(scene, GETS("one") GETS("two") GETS("333"));
    /* (Of the one whose turn was the last one: it is not asked for again.) */
    origin_says(scene, "unasked", SIZE_MAX);
    finish(&owner);
}

static void an_origin_that_ends_within_a_response_is_not_asked_again(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    begin_three(&owner, scene);
    origin_says(scene, OK "Content-Length: 3\r\n\r\nt", SIZE_MAX);
    ends(&scene->origin);
    let_run(scene);
    assert_int_equal(owner.ended, 2);
    assert_int_equal(owner.ends[1], HTTP_EXCHANGE_CLOSED);
    assert_null(scene->client.endpoint);
    finish(&owner);
}

static void a_client_that_goes_takes_all_along(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    begin_three(&owner, scene);
    goes(&scene->client);
    let_run(scene);
    assert_int_equal(owner.ends[1], HTTP_EXCHANGE_CLOSED);
    assert_null(scene->origin.endpoint);
    finish(&owner);
}

static void a_client_at_its_end_is_answered_whole(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    begin_three(&owner, scene);
    ends(&scene->client);
    let_run(scene);
    assert_false(scene->origin.got_eof);
    origin_says(scene, SAYS("two"), SIZE_MAX);
    tells(&scene->client);
    let_run(scene);
    assert_true(scene->origin.got_eof);
    origin_says(scene, SAYS("333"), SIZE_MAX);
    assert_client_got(scene, GETS("one") GETS("two") OK "Content-Length: 3\r\n" CLOSE "333");
    finish(&owner);
}

static void it_can_be_aborted_with_requests_ahead(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    begin_three(&owner, scene);
    origin_says(scene, SAYS("two") "HTTP/1", SIZE_MAX);
    finish(&owner);
    assert_null(scene->origin.endpoint);
    assert_null(scene->client.endpoint);
}

/* A head that the origin does not take at once goes on behind the exchange that sent it. */
static void a_head_that_is_half_sent_goes_on(void **state)
{
    struct scene *scene = *state;
    struct owner owner;

    use(scene, SIZE_MAX, GULP);
    begin(&owner, scene, GET("/1") GET("/2") GET("/3"));
    scene->origin.capacity = 10;
    sends(&scene->origin, SAYS("one"), strlen(SAYS("one")));
    let_run(scene);
    assert_int_equal(owner.ended, 1);
    assert_int_equal(scene->origin.got_length, strlen(ASKED("/1")) + 10);
    takes(&scene->origin, GULP);
    let_run(scene);
    assert_origin_got(scene, ASKED("/1") ASKED("/2") ASKED("/3"));
    origin_says(scene, SAYS("two") SAYS("333"), SIZE_MAX);
    assert_client_got(scene, GETS("one") GETS("two") GETS("333"));
    finish(&owner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_go_behind_a_response_that_shows_that_the_connection_stays),
        TEST(they_go_when_they_come),
        TEST(each_response_has_its_framing_in_all_pieces),
        TEST(nothing_goes_ahead_of_what_may_end_the_connection),
        TEST(nothing_goes_ahead_of_a_response_to_what_cannot_be_repeated),
        TEST(nothing_goes_ahead_of_an_upgrade),
        TEST(what_is_kept_is_counted),
        TEST(an_origin_that_ends_behind_its_answers_was_not_early),
        TEST(an_origin_that_ends_early_is_asked_again_and_not_ahead),
        TEST(an_origin_that_closes_is_asked_again),
        TEST(what_is_no_response_to_a_request_ahead_is_asked_for_alone),
        TEST(an_origin_that_ends_within_a_response_is_not_asked_again),
        TEST(a_client_that_goes_takes_all_along),
        TEST(a_client_at_its_end_is_answered_whole),
        TEST(it_can_be_aborted_with_requests_ahead),
        TEST(a_head_that_is_half_sent_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

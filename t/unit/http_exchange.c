/* Tests of worker/http_exchange: requests and responses that are written out, in all sizes of
 * pieces. */
#include "exchange_scene.h"

#define LENGTH_5                                                                                   \
    {                                                                                              \
        .framing = HTTP_LENGTH, .left = 5                                                          \
    }
#define CHUNKED                                                                                    \
    {                                                                                              \
        .framing = HTTP_CHUNKED                                                                    \
    }
#define CONTINUE "HTTP/1.1 100 Continue\r\n"

static const size_t steps[] = {1, 2, 7, 50, SIZE_MAX};
static const size_t appetites[] = {1, 5, 64, GULP};

/* What the client gets where adit answers itself, behind what came before. */
static size_t with_answer(const struct script *script, char *gets)
{
    size_t length = strlen(script->client_gets);

    memcpy(gets, script->client_gets, length);
    if (script->outcome != OUTCOME_OK)
        length += http_reply(script->outcome, &target, NULL, gets + length);
    return length;
}

static void is_right(struct scene *scene)
{
    const struct script *script = scene->script;
    static char gets[HTTP_HEAD_MAX + HTTP_REPLY_MAX];
    size_t length = with_answer(script, gets);
    const char *origin_gets = script->origin_gets != NULL ? script->origin_gets : "";
    const char *next = script->next != NULL ? script->next : "";
    const char *tunnel = script->tunnel != NULL ? script->tunnel : "";

    if (scene->exchange != NULL)
        fail_msg("%s: it does not end", script->what);
    if (scene->result.end != script->end || scene->result.outcome != script->outcome)
        fail_msg("%s: end %d, outcome %d", script->what, scene->result.end, scene->result.outcome);
    assert_same(scene, "the client", scene->client.got, scene->client.got_length, gets, length);
    assert_same(scene, "the origin", scene->origin.got, strlen(HEAD), HEAD, strlen(HEAD));
    assert_same(scene, "the body", scene->origin.got + strlen(HEAD),
                scene->origin.got_length - strlen(HEAD), origin_gets, strlen(origin_gets));
    /* (What the client had not sent by then comes to its owner.) */
    assert_same(scene, "behind the request", scene->next, strlen(scene->next), next,
                script->client_says != NULL ? min_size(strlen(next), strlen(scene->next))
                                            : strlen(next));
    assert_same(scene, "the tunnel", scene->tunnel, strlen(scene->tunnel), tunnel,
                min_size(strlen(tunnel), strlen(scene->tunnel)));
    assert_int_equal(scene->result.origin != NULL,
                     script->origin_kept || script->end == HTTP_EXCHANGE_UPGRADED);
    assert_int_equal(scene->result.client != NULL, script->end <= HTTP_EXCHANGE_STALE);
    assert_int_equal(scene->client.got_eof, script->end == HTTP_EXCHANGE_CLOSED);
    if (script->end == HTTP_EXCHANGE_CLOSED)
        assert_int_equal(scene->client.end, CLOSED);
    close_returned(scene);
    assert_null(scene->client.endpoint);
    assert_null(scene->origin.endpoint);
}

static void run_all_ways(struct scene *scene, const struct script *scripts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t n = 0; n < COUNT(steps) * COUNT(appetites); n++) {
            scene->step = steps[n % COUNT(steps)];
            scene->appetite = appetites[n / COUNT(steps)];
            start(scene, &scripts[i]);
            play(scene);
            is_right(scene);
        }
}

static void both_connections_stay_behind_a_response_that_ends(void **state)
{
    static const struct script scripts[] = {
        {"a length", .origin_says = OK "Content-Length: 5\r\n\r\nhello",
         .client_gets = OK "Content-Length: 5\r\n" END "hello", .origin_kept = true},
        {"chunks and trailers",
         .origin_says = OK "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
         .client_gets =
             OK "Transfer-Encoding: chunked\r\n" END "5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
         .origin_kept = true},
        {"no content", .origin_says = "HTTP/1.1 204 No\r\n\r\n",
         .client_gets = "HTTP/1.1 204 No\r\n" END, .origin_kept = true},
        {"not modified", .origin_says = "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n",
         .client_gets = "HTTP/1.1 304 No\r\nContent-Length: 5\r\n" END, .origin_kept = true},
        {"HEAD", .is_head = true, .origin_says = OK "Content-Length: 5\r\n\r\n",
         .client_gets = OK "Content-Length: 5\r\n" END, .origin_kept = true},
        {"interim heads",
         .origin_says =
             CONTINUE "\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" OK "Content-Length: 0\r\n\r\n",
         .client_gets =
             CONTINUE END "HTTP/1.1 103 Early\r\nA: b\r\n" END OK "Content-Length: 0\r\n" END,
         .origin_kept = true},
        {"hop-by-hop fields",
         .origin_says = OK "Connection: X\r\nX: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" END, .origin_kept = true},
        {"an upgrade that the origin declines", .upgrade = "websocket",
         .origin_says = OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" END, .origin_kept = true},
        {"the next request is kept", .client_says = NEXT NEXT,
         .origin_says = OK "Content-Length: 5\r\n\r\nhello",
         .client_gets = OK "Content-Length: 5\r\n" END "hello", .next = NEXT NEXT,
         .origin_kept = true},
        {"empty lines before it are not", .early = "\r\n\r\n" NEXT,
         .origin_says = OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" END, .next = NEXT, .origin_kept = true},
        {"the client's end is behind the next request", .early = NEXT, .client_ends = true,
         .origin_says = OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" END, .next = NEXT, .origin_kept = true},
    };

    run_all_ways(*state, scripts, COUNT(scripts));
}

static void the_clients_connection_stays_without_the_origins(void **state)
{
    static const struct script scripts[] = {
        {"the origin closes",
         .origin_says = OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
         .client_gets = OK "Content-Length: 5\r\n" END "hello"},
        {"the origin has closed", .origin_ends = true,
         .origin_says = OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
         .client_gets = OK "Content-Length: 5\r\n" END "hello"},
        {"HTTP/1.0", .origin_says = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
         .client_gets = OK "Content-Length: 5\r\nVia: 1.0 adit\r\n\r\nhello"},
        {"both framings",
         .origin_says = OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         .client_gets = OK "Transfer-Encoding: chunked\r\n" END "0\r\n\r\n"},
    };

    run_all_ways(*state, scripts, COUNT(scripts));
}

static void what_cannot_stay_is_closed(void **state)
{
    static const struct script scripts[] = {
        {"the close ends the body", .origin_says = OK "\r\nhello" OK, .origin_ends = true,
         .client_gets = OK CLOSE "hello" OK, .end = HTTP_EXCHANGE_CLOSED},
        {"ICY", .origin_says = "ICY 200 OK\r\nicy-br: 1\r\n\r\nmp3", .origin_ends = true,
         .client_gets = OK "icy-br: 1\r\nVia: 1.0 adit\r\nConnection: close\r\n\r\nmp3",
         .end = HTTP_EXCHANGE_CLOSED},
        {"the client asked for it", .close = true, .origin_says = OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" CLOSE, .end = HTTP_EXCHANGE_CLOSED},
        {"an HTTP/1.0 client gets no interim heads", .old = true, .close = true,
         .origin_says = CONTINUE "\r\n" OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" CLOSE, .end = HTTP_EXCHANGE_CLOSED},
        {"adit drains", .leaves = true, .origin_says = OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" CLOSE, .end = HTTP_EXCHANGE_CLOSED},
        {"the response came before the request's end", .body = LENGTH_5, .early = "he",
         .origin_says = "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", .origin_gets = "he",
         .client_gets = "HTTP/1.1 413 No\r\nContent-Length: 2\r\n" CLOSE "no",
         .end = HTTP_EXCHANGE_CLOSED},
        {"a response that is cut short", .origin_says = OK "Content-Length: 9\r\n\r\nhello",
         .origin_ends = true, .client_gets = OK "Content-Length: 9\r\n" END "hello",
         .end = HTTP_EXCHANGE_CLOSED},
        {"a malformed chunk", .origin_says = OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
         .client_gets = OK "Transfer-Encoding: chunked\r\n" END "5\r\nhello",
         .end = HTTP_EXCHANGE_CLOSED},
    };

    run_all_ways(*state, scripts, COUNT(scripts));
}

static void what_is_no_response_is_answered_by_adit(void **state)
{
#define BAD(outcome_name) .end = HTTP_EXCHANGE_CLOSED, .outcome = OUTCOME_##outcome_name
    static const struct script scripts[] = {
        {"nothing", .origin_ends = true, .client_gets = "", BAD(NO_RESPONSE)},
        {"half a line", .origin_says = "HTTP/1.1 2", .origin_ends = true, .client_gets = "",
         BAD(NO_RESPONSE)},
        {"half a head", .origin_says = OK "A: b\r\n", .origin_ends = true, .client_gets = "",
         BAD(NO_RESPONSE)},
        {"an interim head only", .origin_says = CONTINUE "\r\n", .origin_ends = true,
         .client_gets = CONTINUE END, BAD(NO_RESPONSE)},
        {"a banner", .origin_says = "SSH-2.0-x\r\n", .client_gets = "", BAD(BAD_RESPONSE)},
        {"HTTP/2", .origin_says = "HTTP/2 200\r\n\r\n", .client_gets = "", BAD(BAD_RESPONSE)},
        {"a NUL", .origin_says = OK "A: \0\r\n\r\n", .origin_length = 24, .client_gets = "",
         BAD(BAD_RESPONSE)},
        {"two lengths", .origin_says = OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
         .client_gets = "", BAD(BAD_RESPONSE)},
        {"an interim head and a banner", .origin_says = CONTINUE "\r\n220 ready\r\n",
         .client_gets = CONTINUE END, BAD(BAD_RESPONSE)},
        {"101 unasked for", .origin_says = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x01\x02",
         .client_gets = "", BAD(BAD_RESPONSE)},
        {"101 for another protocol", .upgrade = "websocket",
         .origin_says = "HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n", .client_gets = "",
         BAD(BAD_RESPONSE)},
        {"101 before the request's end", .upgrade = "a", .body = LENGTH_5, .early = "he",
         .origin_says = "HTTP/1.1 101 S\r\nUpgrade: a\r\n\r\n", .origin_gets = "he",
         .client_gets = "", BAD(BAD_RESPONSE)},
        {"the kept connection was heard, and no more", .kept = true, .repeatable = true,
         .origin_says = "H", .origin_ends = true, .client_gets = "", BAD(NO_RESPONSE)},
    };

    run_all_ways(*state, scripts, COUNT(scripts));
}

static void an_upgrade_becomes_a_tunnel(void **state)
{
#define SWITCH "HTTP/1.1 101 Switching\r\n"
    static const struct script scripts[] = {
        {"with bytes of both", .upgrade = "websocket", .early = "\x81\x02hi",
         .origin_says = SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x03you",
         .client_gets = SWITCH VIA "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
         .next = "\x81\x02hi", .tunnel = "\x81\x03you", .end = HTTP_EXCHANGE_UPGRADED},
        {"one of two", .upgrade = "a/1, B", .origin_says = SWITCH "Upgrade: b\r\n\r\n",
         .client_gets = SWITCH VIA "Connection: Upgrade\r\nUpgrade: b\r\n\r\n",
         .end = HTTP_EXCHANGE_UPGRADED},
        {"behind a 100", .upgrade = "a", .origin_says = CONTINUE "\r\n" SWITCH "Upgrade: a\r\n\r\n",
         .client_gets = CONTINUE END SWITCH VIA "Connection: Upgrade\r\nUpgrade: a\r\n\r\n",
         .end = HTTP_EXCHANGE_UPGRADED},
    };

    run_all_ways(*state, scripts, COUNT(scripts));
}

/* The origin answers when it has the whole request, as here the order of a turn has it. */
static void the_body_of_a_request_passes_and_nothing_behind_it(void **state)
{
    static const struct script scripts[] = {
        {"a length", .body = LENGTH_5, .early = "hello" NEXT, .origin_gets = "hello",
         .origin_says = OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" END, .next = NEXT, .origin_kept = true},
        {"chunks", .body = CHUNKED, .early = "5;a\r\nhello\r\n0\r\nA: b\r\n\r\n" NEXT,
         .origin_gets = "5;a\r\nhello\r\n0\r\nA: b\r\n\r\n",
         .origin_says = OK "Content-Length: 0\r\n\r\n",
         .client_gets = OK "Content-Length: 0\r\n" END, .next = NEXT, .origin_kept = true},
        {"a closed kept connection", .kept = true, .repeatable = true, .origin_ends = true,
         .client_gets = "", .early = NEXT, .next = NEXT, .end = HTTP_EXCHANGE_STALE},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < COUNT(scripts); i++)
        for (size_t n = 0; n < COUNT(steps); n++) {
            scene->step = steps[n];
            scene->appetite = GULP;
            start(scene, &scripts[i]);
            play(scene);
            is_right(scene);
        }
}

static void too_many_interim_responses_are_refused(void **state)
{
    char says[33 * sizeof(CONTINUE "\r\n")] = "";
    char gets[33 * sizeof(CONTINUE END)] = "";
    struct script script = {"too many interim heads", .origin_says = says, .client_gets = gets,
                            BAD(BAD_RESPONSE)};

    for (int i = 0; i < 33; i++)
        strcat(says, CONTINUE "\r\n");
    for (int i = 0; i < 32; i++)
        strcat(gets, CONTINUE END);
    run_all_ways(*state, &script, 1);
}

static void a_head_that_does_not_end_is_refused(void **state)
{
    static char says[HTTP_HEAD_MAX + 10] = OK "A: ";
    static const size_t some_steps[] = {1000, SIZE_MAX};
    struct script script = {"an endless head", .origin_says = says, .client_gets = "",
                            .origin_length = sizeof says, BAD(RESPONSE_TOO_LARGE)};
    struct scene *scene = *state;

    memset(says + strlen(says), 'a', sizeof says - strlen(says));
    for (size_t i = 0; i < COUNT(some_steps); i++) {
        scene->step = some_steps[i];
        scene->appetite = GULP;
        start(scene, &script);
        play(scene);
        is_right(scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_connections_stay_behind_a_response_that_ends),
        TEST(the_clients_connection_stays_without_the_origins),
        TEST(what_cannot_stay_is_closed),
        TEST(what_is_no_response_is_answered_by_adit),
        TEST(an_upgrade_becomes_a_tunnel),
        TEST(the_body_of_a_request_passes_and_nothing_behind_it),
        TEST(too_many_interim_responses_are_refused),
        TEST(a_head_that_does_not_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

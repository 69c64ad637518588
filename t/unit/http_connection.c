/* HTTP requests: what becomes of their connection, and what is served elsewhere. */
#include "wire/http.h"

#include "parse.h"

static struct http_request request;
static enum outcome outcome;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    return http_request_parse(bytes, length, used, &request, &outcome);
}

/* Checks a good head in all its deliveries and leaves `request` pointing into `head`. */
static void take(const char *head)
{
    size_t used;
    check_ok(head, parse, head, strlen(head));
    assert_int_equal(parse((const uint8_t *)head, strlen(head), &used), WIRE_OK);
}

static void assert_slice(const char *at, size_t length, const char *expected)
{
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(at, expected, length);
}

/* What was looked at once is not looked at again: a byte of it that changes is not noticed. */
static void a_head_that_comes_in_pieces_is_scanned_once(void **state)
{
    char head[] = "\r\n\r\nGET http://a/ HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
    struct http_progress progress = {0};
    size_t length = strlen(head), used;
    (void)state;
    for (size_t i = 0; i < length - 1; i++)
        assert_int_equal(
            http_request_parse_on((uint8_t *)head, i, &progress, &used, &request, &outcome),
            WIRE_MORE);
    assert_int_equal(progress.begin, 4);
    assert_int_equal(progress.at, length - 2);
    *strchr(head, 'A') = '\0';
    assert_int_equal(
        http_request_parse_on((uint8_t *)head, length, &progress, &used, &request, &outcome),
        WIRE_OK);
    assert_int_equal(used, length);
}

/* What follows the message on its connection, and whether it can be sent again. */
static void a_request_says_what_becomes_of_its_connection(void **state)
{
    static const struct {
        const char *head;
        bool close, is_head, repeatable;
        const char *upgrade;
    } cases[] = {
        {"GET http://a/ HTTP/1.1\r\n\r\n", false, false, true, ""},
        {"HEAD http://a/ HTTP/1.1\r\n\r\n", false, true, true, ""},
        {"PUT http://a/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false, false, true, ""},
        {"PUT http://a/ HTTP/1.1\r\nContent-Length: 1\r\n\r\n", false, false, false, ""},
        {"DELETE http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", false, false, false,
         ""},
        {"POST http://a/ HTTP/1.1\r\n\r\n", false, false, false, ""},
        {"get http://a/ HTTP/1.1\r\n\r\n", false, false, false, ""},
        {"GET http://a/ HTTP/1.0\r\n\r\n", true, false, true, ""},
        {"GET http://a/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false, true, ""},
        {"GET http://a/ HTTP/1.1\r\nConnection: x, Close\r\n\r\n", true, false, true, ""},
        {"GET http://a/ HTTP/1.1\r\nProxy-Connection: close\r\n\r\n", true, false, true, ""},
        {"GET http://a/ HTTP/1.1\r\nProxy-Connection: keep-alive\r\n\r\n", false, false, true, ""},
        {"GET http://a/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", false,
         false, true, "websocket"},
        {"GET http://a/ HTTP/1.1\r\nconnection: x,upgrade\r\nupgrade: a/1, b\r\n\r\n", false, false,
         true, "a/1, b"},
        {"GET http://a/ HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", false, false, true, ""},
        {"GET http://a/ HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true, false,
         true, ""},
        {"GET http://a/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", false,
         false, true, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        take(cases[i].head);
        if (request.close != cases[i].close || request.is_head != cases[i].is_head ||
            request.repeatable != cases[i].repeatable)
            fail_msg("%s", cases[i].head);
        assert_slice(request.upgrade.at, request.upgrade.length, cases[i].upgrade);
    }
}

static void the_last_hop_is_known(void **state)
{
    static const struct {
        const char *head;
        enum outcome last_hop;
    } cases[] = {
        {"OPTIONS http://a HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n", OUTCOME_LAST_HOP},
        {"TRACE http://a HTTP/1.1\r\nMax-Forwards: 00\r\n\r\n", OUTCOME_COMMAND},
        {"OPTIONS http://a HTTP/1.1\r\nMax-Forwards: 1\r\n\r\n", OUTCOME_OK},
        {"OPTIONS http://a HTTP/1.1\r\nMax-Forwards: x\r\n\r\n", OUTCOME_OK},
        {"GET http://a HTTP/1.1\r\nMax-Forwards: 0\r\n\r\n", OUTCOME_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        take(cases[i].head);
        assert_int_equal(request.last_hop, cases[i].last_hop);
    }
}

static void other_protocols_are_named(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *words; /* in what is said; NULL: nothing is */
    } cases[] = {
        {BYTES("\x16\x03\x01\x02"), "TLS"},
        {BYTES("\x16"), "TLS"},
        {BYTES("\x16\x04"), NULL},
        {BYTES("SSH-2.0-x"), "SSH banner"},
        {BYTES("SSH"), NULL},
        {BYTES("PROXY TCP4 "), "PROXY protocol"},
        {BYTES("\r\n\r\n\0\r\nQUIT\n!"), "PROXY protocol"},
        {BYTES("\r\n\r\n\0"), "PROXY protocol"},
        {BYTES("\r\n\r\n"), NULL},
        {BYTES("PRI * HTTP/2.0"), "HTTP/2"},
        {BYTES("GET / HTTP/1.1"), NULL},
        {BYTES(""), NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *words = http_foreign((const uint8_t *)cases[i].bytes, cases[i].length);
        assert_int_equal(words != NULL, cases[i].words != NULL);
        if (words != NULL)
            assert_non_null(strstr(words, cases[i].words));
    }
}

/* Well-formed, and yet not for a proxy of adit's kind: the answer says what is. */
static void what_is_served_elsewhere_has_outcomes_of_its_own(void **state)
{
    static const struct {
        const char *line;
        enum outcome outcome;
    } cases[] = {
        {"GET / HTTP/1.1", OUTCOME_NO_PROXY_REQUEST},
        {"GET /a?b HTTP/1.0", OUTCOME_NO_PROXY_REQUEST},
        {"GET * HTTP/1.1", OUTCOME_NO_PROXY_REQUEST},
        {"OPTIONS * HTTP/1.1", OUTCOME_NO_PROXY_REQUEST},
        {"GET https://a/ HTTP/1.1", OUTCOME_SCHEME},
        {"GET ftp://a/ HTTP/1.1", OUTCOME_SCHEME},
        {"GET wss://a/ HTTP/1.1", OUTCOME_SCHEME},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[512];
        int length = snprintf(head, sizeof head, "%s\r\nHost: a\r\n\r\n", cases[i].line);
        check_bad(cases[i].line, parse, head, (size_t)length);
        assert_int_equal(outcome, cases[i].outcome);
    }
}

static void the_connection_is_kept_or_upgraded(void **state)
{
    char out[512];
    (void)state;
    take("GET http://a/ HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nA: b\r\n\r\n");
    assert_slice(out, http_request_rewrite(&request, HTTP_KEEP, (uint8_t *)out),
                 "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nVia: 1.1 adit\r\n\r\n");
    assert_slice(out, http_request_rewrite(&request, HTTP_UPGRADE, (uint8_t *)out),
                 "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nVia: 1.1 adit\r\n"
                 "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_comes_in_pieces_is_scanned_once),
        cmocka_unit_test(a_request_says_what_becomes_of_its_connection),
        cmocka_unit_test(the_last_hop_is_known),
        cmocka_unit_test(other_protocols_are_named),
        cmocka_unit_test(what_is_served_elsewhere_has_outcomes_of_its_own),
        cmocka_unit_test(the_connection_is_kept_or_upgraded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

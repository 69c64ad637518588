/* HTTP response heads: what is taken from origins, and what the client gets. */
#include "wire/http.h"

#include "parse.h"

static struct http_response response;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    struct http_progress progress = {0};
    enum wire_status status = http_response_parse(bytes, length, &progress, &response);
    if (status == WIRE_OK)
        *used = response.head_length;
    return status;
}

static void a_head_gives_its_status(void **state)
{
    static const struct {
        const char *head;
        uint16_t status;
        bool interim;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, false},
        {"HTTP/1.0 404 \r\n\r\n", 404, false},
        {"ICY 200 OK\r\nicy-name: x\r\n\r\n", 200, false},
        {"HTTP/1.1 204\r\n\r\n", 204, false},
        {"HTTP/1.1 200\n\n", 200, false},
        {"HTTP/1.1 200 OK\nA: b\r\nC: d\n\r\n", 200, false},
        {"HTTP/1.1 100 Continue\r\n\r\n", 100, true},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 103, true},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 101, false},
        {"HTTP/1.1 999 Request denied\r\n\r\n", 999, false},
        {"HTTP/1.1 200 \xc3\xa9\x01\r\nno colon\r\nA : b\r\n\tfolded\r\nX: a\rb\r\n\r\n", 200,
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok(cases[i].head, parse, cases[i].head, strlen(cases[i].head));
        assert_int_equal(response.status, cases[i].status);
        assert_int_equal(response.interim, cases[i].interim);
    }
}

static void what_is_not_http_1_is_bad(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        size_t first; /* bytes it takes to see it */
    } cases[] = {
        {BYTES("SSH-2.0-OpenSSH_9.2\r\n"), 1},     {BYTES("<html>"), 1},
        {BYTES("\r\nHTTP/1.1 200 OK\r\n\r\n"), 1}, {BYTES("HTTP/2 200\r\n\r\n"), 6},
        {BYTES("HTTP/1 200\r\n\r\n"), 7},          {BYTES("ICY  200 OK\r\n"), 5},
        {BYTES("http/1.1 200 OK\r\n\r\n"), 1},     {BYTES("HTTP/1.1  200 OK\r\n\r\n"), 10},
        {BYTES("HTTP/1.1 20\r\n\r\n"), 12},        {BYTES("HTTP/1.1\r\n\r\n"), 9},
        {BYTES("HTTP/1.1 2000\r\n\r\n"), 13},      {BYTES("HTTP/1.1 2x0 OK\r\n\r\n"), 11},
        {BYTES("HTTP/1.1 200 O\0K\r\n\r\n"), 15},  {BYTES("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"), 21},
        {BYTES("HTTP/1.1 099 OK\r\n\r\n"), 19},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t first = check_bad(cases[i].bytes, parse, cases[i].bytes, cases[i].length);
        if (first != cases[i].first)
            fail_msg("%s: bad after %zu bytes, not %zu", cases[i].bytes, first, cases[i].first);
    }
}

static void a_head_is_bounded(void **state)
{
    static char head[HTTP_HEAD_MAX + 1];
    (void)state;
    struct http_progress progress = {0};
    size_t used;
    memset(head, 'x', sizeof head);
    memcpy(head, BYTES("HTTP/1.1 200 OK\r\nX: "));
    assert_int_equal(parse((uint8_t *)head, HTTP_HEAD_MAX - 1, &used), WIRE_MORE);
    assert_int_equal(http_response_parse((uint8_t *)head, HTTP_HEAD_MAX, &progress, &response),
                     WIRE_BAD);
    assert_true(progress.too_long);
    memcpy(head + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(parse((uint8_t *)head, sizeof head, &used), WIRE_OK);
    assert_int_equal(response.head_length, HTTP_HEAD_MAX);
}

/* The rewritten head as a string; the caller frees. */
static char *rewrite(const char *head, enum http_connection connection)
{
    size_t used;
    assert_int_equal(parse((const uint8_t *)head, strlen(head), &used), WIRE_OK);
    size_t max = response.head_length + HTTP_RESPONSE_EXTRA;
    uint8_t *out = calloc(1, max + 1);
    assert_non_null(out);
    size_t length = http_response_rewrite(&response, (const uint8_t *)head, connection, out);
    assert_in_range(length, 1, max);
    assert_int_equal(strlen((char *)out), length);
    return (char *)out;
}

#define END "Via: 1.1 adit\r\nConnection: close\r\n\r\n"

static void the_client_gets_its_own_head(void **state)
{
    static const struct {
        const char *head, *rewritten;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n" END},
        {"HTTP/1.0 200\n\n", "HTTP/1.1 200\r\nVia: 1.0 adit\r\nConnection: close\r\n\r\n"},
        {"HTTP/1.1 200 OK\nConnection: keep-alive,\r\n x-hop\nKeep-Alive: 5\nX-Hop: 1\nUpgrade: "
         "h2\n"
         "Proxy-Authenticate: Basic\nProxy-Connection: x\nProxy-Status: cdn\nSet-Cookie: a\n"
         "Set-Cookie: b\nTransfer-Encoding: chunked\n\n",
         "HTTP/1.1 200 OK\r\nProxy-Status: cdn\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
         "Transfer-Encoding: chunked\r\n" END},
        {"HTTP/1.1 200 O\rK\r\nA : b\r\nno colon\r\nX: c\r\n \td\r\nE:\r\n f\r\n(g): h\r\nI: "
         "j\rk\r\n\r\r\n\r\n",
         "HTTP/1.1 200 O K\r\nA: b\r\nX: c   \td\r\nE:   f\r\nI: j k\r\n" END},
        {"HTTP/1.1 200 OK\r\n folded into nothing: x\r\nA:  \r\n\r\n",
         "HTTP/1.1 200 OK\r\nA:\r\n" END},
        {"ICY 200 OK\nicy-name: x\n\n",
         "HTTP/1.1 200 OK\r\nicy-name: x\r\nVia: 1.0 adit\r\nConnection: close\r\n\r\n"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nVia: 1.0 adit\r\n"
         "Connection: close\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" END},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" END},
        {"HTTP/1.1 200 OK\nContent-Length:\n 010\n\n",
         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" END},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n a\r\n b,\tchunked\r\n\r\n",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: a   b,chunked\r\n" END},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: y\r\n\r\n",
         "HTTP/1.1 103 Early Hints\r\nLink: x\r\nVia: 1.1 adit\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *once = rewrite(cases[i].head, HTTP_CLOSE);
        assert_string_equal(once, cases[i].rewritten);
        free(once);
    }
}

/* Where a response ends, and whether its connection serves another request (RFC 9112 sections 6.3
 * and 9.3). */
static void a_response_is_framed_as_its_head_says(void **state)
{
    static const struct {
        const char *head;
        enum http_framing framing;
        uint64_t left;
        bool close;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, 5, false},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, 5,
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", HTTP_CHUNKED, 0, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", HTTP_UNTIL_CLOSE, 0, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, x\r\n\r\n", HTTP_UNTIL_CLOSE, 0, true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", HTTP_CHUNKED,
         0, true},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_UNTIL_CLOSE, 0, true},
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP_UNTIL_CLOSE, 0, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, 5, true},
        {"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, 5,
         false},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, 5, true},
        {"ICY 200 OK\r\n\r\n", HTTP_UNTIL_CLOSE, 0, true},
        {"HTTP/1.1 204 No Content\r\n\r\n", HTTP_NO_BODY, 0, false},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", HTTP_NO_BODY, 0, false},
        {"HTTP/1.1 101 Switching\r\nContent-Length: 5\r\n\r\n", HTTP_NO_BODY, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok(cases[i].head, parse, cases[i].head, strlen(cases[i].head));
        struct http_body body = http_response_body(&response, false);
        if (body.framing != cases[i].framing || body.left != cases[i].left ||
            response.close != cases[i].close)
            fail_msg("%s", cases[i].head);
        assert_int_equal(http_response_body(&response, true).framing, HTTP_NO_BODY);
    }
}

static void a_length_that_contradicts_itself_is_bad(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(check_bad(heads[i], parse, heads[i], strlen(heads[i])), strlen(heads[i]));
}

static void a_101_switches_to_what_was_asked_for(void **state)
{
    static const struct {
        const char *head, *asked;
        bool upgrades;
    } cases[] = {
        {"HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\n\r\n", "websocket", true},
        {"HTTP/1.1 101 S\r\nUpgrade: b\r\n\r\n", "a, b", true},
        {"HTTP/1.1 101 S\r\nUpgrade: a, c\r\n\r\n", "a, b", false},
        {"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", "", false},
        {"HTTP/1.1 101 S\r\n\r\n", "websocket", false},
        {"HTTP/1.1 200 S\r\nUpgrade: websocket\r\n\r\n", "websocket", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text asked = {cases[i].asked, strlen(cases[i].asked)};
        check_ok(cases[i].head, parse, cases[i].head, strlen(cases[i].head));
        size_t used;
        parse((const uint8_t *)cases[i].head, strlen(cases[i].head), &used);
        assert_int_equal(http_response_upgrades(&response, asked), cases[i].upgrades);
    }
    char *head = rewrite("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: b\r\nA: c\r\n\r\n",
                         HTTP_UPGRADE);
    assert_string_equal(head, "HTTP/1.1 101 S\r\nA: c\r\nVia: 1.1 adit\r\n"
                              "Connection: Upgrade\r\nUpgrade: b\r\n\r\n");
    free(head);
    head = rewrite("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_KEEP);
    assert_string_equal(head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVia: 1.0 adit\r\n\r\n");
    free(head);
}

static void a_rewritten_head_never_outgrows_its_bound(void **state)
{
    static char head[HTTP_HEAD_MAX + 1] = "HTTP/1.1 200\n";
    (void)state;
    size_t at = strlen(head);
    for (; at + 4 <= HTTP_HEAD_MAX; at += 3)
        memcpy(head + at, "x:\n", 3);
    head[at] = '\n';
    free(rewrite(head, HTTP_CLOSE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_gives_its_status),
        cmocka_unit_test(what_is_not_http_1_is_bad),
        cmocka_unit_test(a_head_is_bounded),
        cmocka_unit_test(the_client_gets_its_own_head),
        cmocka_unit_test(a_response_is_framed_as_its_head_says),
        cmocka_unit_test(a_length_that_contradicts_itself_is_bad),
        cmocka_unit_test(a_101_switches_to_what_was_asked_for),
        cmocka_unit_test(a_rewritten_head_never_outgrows_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

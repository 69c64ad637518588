/* HTTP response heads: what is taken from origins, and what the client gets. */
#include "wire/http.h"

#include "parse.h"

static struct http_response response;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    enum wire_status status = http_response_parse(bytes, length, &response);
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
        {BYTES("HTTP/1 200\r\n\r\n"), 7},          {BYTES("ICY 200 OK\r\n"), 1},
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
    memset(head, 'x', sizeof head);
    memcpy(head, BYTES("HTTP/1.1 200 OK\r\nX: "));
    assert_int_equal(http_response_parse((uint8_t *)head, HTTP_HEAD_MAX - 1, &response), WIRE_MORE);
    assert_int_equal(http_response_parse((uint8_t *)head, HTTP_HEAD_MAX, &response), WIRE_BAD);
    memcpy(head + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(http_response_parse((uint8_t *)head, sizeof head, &response), WIRE_OK);
    assert_int_equal(response.head_length, HTTP_HEAD_MAX);
}

/* The rewritten head as a string; the caller frees. */
static char *rewrite(const char *head)
{
    assert_int_equal(http_response_parse((const uint8_t *)head, strlen(head), &response), WIRE_OK);
    size_t max = response.head_length + HTTP_RESPONSE_EXTRA;
    uint8_t *out = calloc(1, max + 1);
    assert_non_null(out);
    size_t length = http_response_rewrite(&response, (const uint8_t *)head, out);
    assert_in_range(length, 1, max);
    assert_int_equal(strlen((char *)out), length);
    return (char *)out;
}

static void the_client_gets_its_own_head(void **state)
{
    static const struct {
        const char *head, *rewritten;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello",
         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\nConnection: close\r\n\r\n"},
        {"HTTP/1.0 200\n\n", "HTTP/1.0 200\r\nConnection: close\r\n\r\n"},
        {"HTTP/1.1 200 OK\nConnection: keep-alive,\r\n x-hop\nKeep-Alive: 5\nX-Hop: 1\nUpgrade: "
         "h2\n"
         "Proxy-Authenticate: Basic\nProxy-Connection: x\nProxy-Status: cdn\nSet-Cookie: a\n"
         "Set-Cookie: b\nTransfer-Encoding: chunked\n\n",
         "HTTP/1.1 200 OK\r\nProxy-Status: cdn\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
         "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"},
        {"HTTP/1.1 200 O\rK\r\nA : b\r\nno colon\r\nX: c\r\n \td\r\nE:\r\n f\r\n(g): h\r\nI: "
         "j\rk\r\n\r\r\n\r\n",
         "HTTP/1.1 200 O K\r\nA: b\r\nX: c   \td\r\nE:   f\r\nI: j k\r\nConnection: close\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\n folded into nothing: x\r\nA:  \r\n\r\n",
         "HTTP/1.1 200 OK\r\nA:\r\nConnection: close\r\n\r\n"},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\nConnection: y\r\n\r\n",
         "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *once = rewrite(cases[i].head);
        assert_string_equal(once, cases[i].rewritten);
        char *twice = rewrite(once);
        assert_string_equal(twice, once);
        free(once);
        free(twice);
    }
}

static void a_rewritten_head_never_outgrows_its_bound(void **state)
{
    static char head[HTTP_HEAD_MAX + 1] = "HTTP/1.1 200\n";
    (void)state;
    size_t at = strlen(head);
    for (; at + 4 <= HTTP_HEAD_MAX; at += 3)
        memcpy(head + at, "x:\n", 3);
    head[at] = '\n';
    free(rewrite(head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_gives_its_status),
        cmocka_unit_test(what_is_not_http_1_is_bad),
        cmocka_unit_test(a_head_is_bounded),
        cmocka_unit_test(the_client_gets_its_own_head),
        cmocka_unit_test(a_rewritten_head_never_outgrows_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

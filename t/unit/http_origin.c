/* HTTP requests to adit itself: what is taken, what is refused, and which type of answer is wanted.
 */
#include "wire/http_origin.h"

#include "parse.h"

static struct http_origin_request request;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    struct http_progress progress = {0};

    return http_origin_parse(bytes, length, &progress, used, &request);
}

static void take(const char *head)
{
    size_t used;

    check_ok(head, parse, head, strlen(head));
    assert_int_equal(parse((const uint8_t *)head, strlen(head), &used), WIRE_OK);
}

static void assert_text(struct text text, const char *expected)
{
    if (!text_is(text, expected))
        fail_msg("'%.*s' is not '%s'", (int)text.length, text.at, expected);
}

static void paths_and_hosts(void **state)
{
    static const struct {
        const char *head;
        const char *path, *query, *host;
        bool is_address;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: localhost:9180\r\n\r\n", "/", "", "localhost", false},
        {"GET /a/b?c=d?e HTTP/1.1\r\nHost: 127.0.0.1:9180\r\n\r\n", "/a/b", "c=d?e", "127.0.0.1",
         true},
        {"GET /a#b?c HTTP/1.1\r\nHost: [::1]:9180\r\n\r\n", "/a", "", "::1", true},
        {"GET /a?b#c HTTP/1.1\r\nHost: [::1]\r\n\r\n", "/a", "b", "::1", true},
        {"GET /a HTTP/1.0\r\n\r\n", "/a", "", "", false},
        {"GET /a HTTP/1.1\r\nHost:\r\n\r\n", "/a", "", "", false},
        {"GET /a HTTP/1.1\r\nHost: EVIL.Example.\r\n\r\n", "/a", "", "evil.example", false},
        {"GET /a HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n", "/a", "", "0x7f.1", false},
        {"GET http://evil.example/a?b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "/a", "b",
         "evil.example", false},
        {"GET http://127.0.0.1:1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", "/", "", "127.0.0.1",
         true},
        {"GET http://localhost?q HTTP/1.1\r\n\r\n", "/", "q", "localhost", false},
        {"OPTIONS * HTTP/1.1\r\n\r\n", "*", "", "", false},
        {"CONNECT a:80 HTTP/1.1\r\n\r\n", "a:80", "", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        take(cases[i].head);
        assert_text(request.path, cases[i].path);
        assert_text(request.query, cases[i].query);
        assert_string_equal(request.host, cases[i].host);
        assert_int_equal(request.host_is_address, cases[i].is_address);
    }
}

static void refused_heads(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
        "GET http:///a HTTP/1.1\r\n\r\n",
        "GET http://u@a/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET /\r\n\r\n",
        "\x16\x03\x01",
        "PRI * HTTP/2.0\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_bad(cases[i], parse, cases[i], strlen(cases[i]));
}

static void what_is_told_of_the_rest(void **state)
{
    (void)state;
    take("HEAD / HTTP/1.1\r\nAccept: a/b, c/d\r\nAccept: e/f\r\nAuthorization: Basic dTpw\r\n\r\n");
    assert_true(request.is_head && !request.is_get && !request.close && !request.has_body);
    assert_text(request.accept, "a/b, c/d");
    assert_true(request.credentials.given);
    assert_string_equal(request.credentials.user, "u");
    assert_string_equal(request.credentials.password, "p");
    take("GET / HTTP/1.1\r\nAuthorization: Basic dTpw\r\nAuthorization: Basic dTpw\r\n\r\n");
    assert_false(request.credentials.given);
    take("GET / HTTP/1.1\r\nProxy-Authorization: Basic dTpw\r\n\r\n");
    assert_false(request.credentials.given);
    take("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(request.is_get && request.close);
    take("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n");
    assert_true(request.close);
    take("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert_false(request.has_body);
    take("GET / HTTP/1.1\r\nContent-Length: 7\r\n\r\n");
    assert_true(request.has_body);
    take("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(request.has_body && !request.is_get && !request.is_head);
}

static unsigned weight(const char *accept, const char *type, const char *parameter)
{
    return http_accept_weight((struct text){accept, strlen(accept)}, type, parameter);
}

static void accepted_types(void **state)
{
    static const char prometheus[] =
        "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

    (void)state;
    assert_int_equal(weight("", "text/plain", NULL), 0);
    assert_int_equal(weight("*/*", "text/plain", NULL), 1000);
    assert_int_equal(weight("text/*;q=0.25", "text/plain", NULL), 250);
    assert_int_equal(weight("TEXT/PLAIN ; Q=0.5", "text/plain", NULL), 500);
    assert_int_equal(weight("text/plain;q=0, */*", "text/plain", NULL), 0);
    assert_int_equal(weight("*/*, text/plain;q=0", "text/plain", NULL), 0);
    assert_int_equal(weight("text/html", "text/plain", NULL), 0);
    assert_int_equal(weight("text/plain;q=1.000", "text/plain", NULL), 1000);
    assert_int_equal(weight("text/plain;q=9", "text/plain", NULL), 1000);
    assert_int_equal(weight("text/plain;q=x", "text/plain", NULL), 1000);
    assert_int_equal(weight("text/plain;q=", "text/plain", NULL), 1000);
    assert_int_equal(weight(prometheus, "application/openmetrics-text", "version=1.0.0"), 600);
    assert_int_equal(weight(prometheus, "application/openmetrics-text", "version=2.0.0"), 0);
    assert_int_equal(weight(prometheus, "text/plain", NULL), 500);
    assert_int_equal(weight(prometheus, "text/html", NULL), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_hosts),
        cmocka_unit_test(refused_heads),
        cmocka_unit_test(what_is_told_of_the_rest),
        cmocka_unit_test(accepted_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

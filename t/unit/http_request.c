/* HTTP request heads: what is taken, what is refused, what the origin gets. */
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

static void connect_gives_a_target(void **state)
{
    static const struct {
        const char *head;
        const char *host;
        uint16_t port;
        uint8_t minor;
    } cases[] = {
        {"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", "example.com", 443,
         1},
        {"CONNECT Example.COM.:443 HTTP/1.0\r\n\r\n", "example.com", 443, 0},
        {"CONNECT 10.0.0.7:22 HTTP/1.1\n\n", "10.0.0.7", 22, 1},
        {"CONNECT [2001:DB8::1]:65535 HTTP/1.1\r\n\r\n", "2001:db8::1", 65535, 1},
        {"CONNECT [::ffff:10.0.0.7]:1 HTTP/1.1\r\n\r\n", "10.0.0.7", 1, 1},
        {"CONNECT a_b-c.example:80 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "a_b-c.example", 80, 1},
        {"\r\n\n\r\nCONNECT a:80 HTTP/1.1\r\n\r\n", "a", 80, 1},
        {"CONNECT a:80 HTTP/1.9\r\n\r\n", "a", 80, 9},
        {"CONNECT a:80 HTTP/1.1\r\nHost: elsewhere\r\nX-Empty:\r\nX:\t \r\n\r\n", "a", 80, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        take(cases[i].head);
        assert_int_equal(request.command, WIRE_CONNECT);
        assert_string_equal(request.target.host, cases[i].host);
        assert_int_equal(request.target.port, cases[i].port);
        assert_int_equal(request.minor, cases[i].minor);
        assert_true(http_body_done(&request.body));
    }
}

static void absolute_form_gives_target_and_path(void **state)
{
    static const struct {
        const char *head;
        const char *host, *authority, *path;
        uint16_t port;
    } cases[] = {
        {"GET http://a.example/x?y HTTP/1.1\r\n\r\n", "a.example", "a.example", "/x?y", 80},
        {"GET HTTP://A.example:8080/ HTTP/1.1\r\n\r\n", "a.example", "A.example:8080", "/", 8080},
        {"GET http://a HTTP/1.1\r\n\r\n", "a", "a", "/", 80},
        {"OPTIONS http://a HTTP/1.1\r\n\r\n", "a", "a", "*", 80},
        {"OPTIONS http://a/ HTTP/1.1\r\n\r\n", "a", "a", "/", 80},
        {"GET http://a?q HTTP/1.1\r\n\r\n", "a", "a", "?q", 80},
        {"GET http://a?q/@b HTTP/1.1\r\n\r\n", "a", "a", "?q/@b", 80},
        {"GET http://u:p@a:81/ HTTP/1.1\r\n\r\n", "a", "a:81", "/", 81},
        {"GET http://[::1]:81/ HTTP/1.1\r\n\r\n", "::1", "[::1]:81", "/", 81},
        {"GET http://u@[::1]/ HTTP/1.1\r\n\r\n", "::1", "[::1]", "/", 80},
#ifdef HAVE_LIBIDN2
        {"GET http://b\xc3\xbc"
         "cher/\xc3\xa9 HTTP/1.1\r\n\r\n",
         "xn--bcher-kva",
         "b\xc3\xbc"
         "cher",
         "/\xc3\xa9", 80},
#endif
        {"GET http://a/http://b/ HTTP/1.1\r\n\r\n", "a", "a", "/http://b/", 80},
        {"GET http://a/x#fragment HTTP/1.1\r\n\r\n", "a", "a", "/x", 80},
        {"GET http://a/?q#a#b HTTP/1.1\r\n\r\n", "a", "a", "/?q", 80},
        {"GET http://a:81#f HTTP/1.1\r\n\r\n", "a", "a:81", "/", 81},
        {"GET ws://a/chat HTTP/1.1\r\n\r\n", "a", "a", "/chat", 80},
        {"GET http://a#@b/ HTTP/1.1\r\n\r\n", "a", "a", "/", 80},
        {"OPTIONS http://a# HTTP/1.1\r\n\r\n", "a", "a", "*", 80},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        take(cases[i].head);
        assert_int_equal(request.command, WIRE_FORWARD);
        assert_string_equal(request.target.host, cases[i].host);
        assert_int_equal(request.target.port, cases[i].port);
        assert_slice(request.authority, request.authority_length, cases[i].authority);
        assert_slice(request.path, request.path_length, cases[i].path);
    }
}

static void bytes_that_can_be_no_request_are_bad_at_once(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        size_t first; /* bytes it takes to see it */
    } cases[] = {
        {BYTES("\x16\x03\x01\x02\x00"), 1}, /* TLS */
        {BYTES("\0\0"), 1},
        {BYTES(" GET http://a/ HTTP/1.1\r\n\r\n"), 1},
        {BYTES("\rGET"), 1 + 1},
        {BYTES("SSH-2.0-OpenSSH_9.2\r\n"), 20}, /* CR */
        {BYTES("GET\r\n"), 4},
        {BYTES("GET http://a/\r\n"), 14}, /* HTTP/0.9 */
        {BYTES("GET\thttp://a/ HTTP/1.1\r\n"), 4},
        {BYTES("GET  http://a/ HTTP/1.1\r\n"), 5},
        {BYTES("GET http://a/ HTTP/2.0\r\n"), 20},
        {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 12},
        {BYTES("GET http://a/ http/1.1\r\n"), 15},
        {BYTES("GET http://a/ HTTP/1.10\r\n"), 23},
        {BYTES("GET http://a/ HTTP/1.\r\n"), 22},
        {BYTES("GET http://a/ HTTP/1.1 \r\n"), 23},
        {BYTES("GET http://a/ HTTP/1.1\rX"), 24},
        {BYTES("GET http://a/b c HTTP/1.1\r\n"), 16},
        {BYTES("GET http://a/\x7f HTTP/1.1\r\n"), 14},
        {BYTES("GET http://a/ HTTP/1.1\r\n X: folded into nothing\r\n"), 25},
        {BYTES("GET http://a/ HTTP/1.1\r\nX: y\r\n folded\r\n\r\n"), 31},
        {BYTES("GET http://a/ HTTP/1.1\r\nX: y\r\n\tfolded\r\n\r\n"), 31},
        {BYTES("GET http://a/ HTTP/1.1\r\nX : y\r\n\r\n"), 26},
        {BYTES("GET http://a/ HTTP/1.1\r\n: y\r\n\r\n"), 25},
        {BYTES("GET http://a/ HTTP/1.1\r\nX\r\n\r\n"), 26},
        {BYTES("GET http://a/ HTTP/1.1\r\nX: a\0b\r\n\r\n"), 29},
        {BYTES("GET http://a/ HTTP/1.1\r\nX: a\rb\r\n\r\n"), 30},
        {BYTES("GET http://a/ HTTP/1.1\r\nX: a\x0b\r\n\r\n"), 29},
        {BYTES("GET http://a/ HTTP/1.1\r\nX\xc3: a\r\n\r\n"), 26},
        {BYTES("GET http://a/ HTTP/1.1\r\nX: a\r\r\n\r\n"), 30},
        {BYTES("GET http://a/ HTTP/1.1\r\n\rX\r\n"), 26},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t first = check_bad(cases[i].bytes, parse, cases[i].bytes, cases[i].length);
        if (first != cases[i].first)
            fail_msg("%s: bad after %zu bytes, not %zu", cases[i].bytes, first, cases[i].first);
        assert_int_equal(outcome, OUTCOME_MALFORMED);
    }
}

static void targets_that_a_proxy_cannot_serve_are_bad(void **state)
{
    static const char *const lines[] = {
        "GET a.example HTTP/1.1",
        "GET a.example:80 HTTP/1.1",
        "GET http:/a/ HTTP/1.1",
        "GET http://#a/ HTTP/1.1",
        "GET http://a|b/ HTTP/1.1",
        "GET http://a^b/ HTTP/1.1",
        "GET http://`a/ HTTP/1.1",
        "GET ://a/ HTTP/1.1",
        "GET a b://a/ HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:/// HTTP/1.1",
        "GET http://:80/ HTTP/1.1",
        "GET http://u@/ HTTP/1.1",
        "GET http://a../ HTTP/1.1",
        "GET http://u@b@a/ HTTP/1.1",
        "GET http://a:0/ HTTP/1.1",
        "GET http://a:65536/ HTTP/1.1",
        "GET http://a:+80/ HTTP/1.1",
        "GET http://a:8o/ HTTP/1.1",
        "GET http://a:80:80/ HTTP/1.1",
        "GET http://a:/ HTTP/1.1",
        "GET http://a::/ HTTP/1.1",
        "GET http://a:80:/ HTTP/1.1",
        "GET http://::1/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET http://[::1]x/ HTTP/1.1",
        "GET http://[fe80::1%25eth0]/ HTTP/1.1",
        "GET http://[a]/ HTTP/1.1",
        "GET http://[]/ HTTP/1.1",
        "GET http://b\\@a/ HTTP/1.1",
        "GET http://<a>/ HTTP/1.1",
        "GET http://" TEXT_255 "x/ HTTP/1.1",
        "CONNECT a HTTP/1.1",
        "CONNECT a: HTTP/1.1",
        "CONNECT :443 HTTP/1.1",
        "CONNECT a:0 HTTP/1.1",
        "CONNECT a:https HTTP/1.1",
        "CONNECT a:443/ HTTP/1.1",
        "CONNECT u@a:443 HTTP/1.1",
        "CONNECT ::1:443 HTTP/1.1",
        "CONNECT [::1] HTTP/1.1",
        "CONNECT http://a:443/ HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "CONNECT a#b:443 HTTP/1.1",
        "CONNECT a|b:443 HTTP/1.1",
        "CONNECT a^b:443 HTTP/1.1",
        "CONNECT `a:443 HTTP/1.1",
        "connect a:443 HTTP/1.1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char head[512];
        int length = snprintf(head, sizeof head, "%s\r\nHost: a\r\n\r\n", lines[i]);
        check_bad(lines[i], parse, head, (size_t)length);
        assert_int_equal(outcome, OUTCOME_MALFORMED);
    }
}

static void a_body_is_framed_as_its_fields_say(void **state)
{
    static const struct {
        const char *fields;
        enum http_framing framing;
        uint64_t left;
    } cases[] = {
        {"", HTTP_NO_BODY, 0},
        {"Content-Length: 0\r\n", HTTP_LENGTH, 0},
        {"content-length:5\r\n", HTTP_LENGTH, 5},
        {"Content-Length: \t 18446744073709551615 \r\n", HTTP_LENGTH, UINT64_MAX},
        {"Content-Length: 5\r\nContent-Length: 05\r\n", HTTP_LENGTH, 5},
        {"Transfer-Encoding: chunked\r\n", HTTP_CHUNKED, 0},
        {"Transfer-Encoding: Chunked \r\n", HTTP_CHUNKED, 0},
        {"Transfer-Encoding: gzip,\tchunked\r\n", HTTP_CHUNKED, 0},
        {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", HTTP_CHUNKED, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[256];
        snprintf(head, sizeof head, "POST http://a/ HTTP/1.1\r\n%s\r\n", cases[i].fields);
        take(head);
        assert_int_equal(request.body.framing, cases[i].framing);
        assert_int_equal(request.body.left, cases[i].left);
    }
}

static void fields_on_which_two_readers_could_differ_are_bad(void **state)
{
    static const char *const heads[] = {
        "POST http://a/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length:\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked;a=b\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
        "POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(check_bad(heads[i], parse, heads[i], strlen(heads[i])), strlen(heads[i]));
}

static void a_head_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
    static const char start[] = "GET http://a/ HTTP/1.1\r\nX: ";
    static char head[HTTP_HEAD_MAX + 2];
    size_t used;
    (void)state;

    memset(head, 'x', sizeof head);
    memcpy(head, start, strlen(start));
    memcpy(head + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(parse((uint8_t *)head, HTTP_HEAD_MAX - 1, &used), WIRE_MORE);
    assert_int_equal(parse((uint8_t *)head, sizeof head, &used), WIRE_OK);
    assert_int_equal(used, HTTP_HEAD_MAX);

    memcpy(head + HTTP_HEAD_MAX - 4, "x\r\n\r\n", 5);
    assert_int_equal(parse((uint8_t *)head, HTTP_HEAD_MAX - 1, &used), WIRE_MORE);
    assert_int_equal(parse((uint8_t *)head, HTTP_HEAD_MAX, &used), WIRE_BAD);
    assert_int_equal(outcome, OUTCOME_HEAD_TOO_LARGE);
    assert_int_equal(parse((uint8_t *)head, sizeof head, &used), WIRE_BAD);

    memset(head, '\n', sizeof head);
    assert_int_equal(parse((uint8_t *)head, HTTP_HEAD_MAX - 1, &used), WIRE_MORE);
    assert_int_equal(parse((uint8_t *)head, sizeof head, &used), WIRE_BAD);
    assert_int_equal(outcome, OUTCOME_HEAD_TOO_LARGE);
}

static void more_connection_options_than_are_remembered_are_bad(void **state)
{
    char head[1024] = "GET http://a/ HTTP/1.1\r\nConnection: ";
    size_t used;
    (void)state;
    for (int i = 0; i < 64; i++)
        strcat(head, "a,");
    size_t length = strlen(head);
    strcpy(head + length, "\r\n\r\n");
    take(head);
    strcpy(head + length, "b\r\n\r\n");
    assert_int_equal(parse((uint8_t *)head, strlen(head), &used), WIRE_BAD);
}

static void basic_credentials_are_read(void **state)
{
    static const struct {
        const char *field;
        const char *user, *password; /* NULL: not given */
    } cases[] = {
        {"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
        {"proxy-authorization:bAsIc   dGVzdDoxMjPCow==  ", "test", "123\xc2\xa3"},
        {"Proxy-Authorization: Basic YTpiOmM=", "a", "b:c"},
        {"Proxy-Authorization: Basic Og==", "", ""},
        {"Proxy-Authorization: Basic YTo=", "a", ""},
        {"Proxy-Authorization: Basic YTpiYw==", "a", "bc"},
        {"Authorization: Basic YTpiYw==", NULL, NULL},
        {"Proxy-Authorization:", NULL, NULL},
        {"Proxy-Authorization: Basic", NULL, NULL},
        {"Proxy-Authorization: Basic ", NULL, NULL},
        {"Proxy-Authorization: BasicYTpiYw==", NULL, NULL},
        {"Proxy-Authorization: Bearer YTpiYw==", NULL, NULL},
        {"Proxy-Authorization: Basic YTpiYw", NULL, NULL}, /* no padding */
        {"Proxy-Authorization: Basic YTpiYw=", NULL, NULL},
        {"Proxy-Authorization: Basic YTpiYw==YTpi", NULL, NULL},
        {"Proxy-Authorization: Basic YTpi====", NULL, NULL},
        {"Proxy-Authorization: Basic ====", NULL, NULL},
        {"Proxy-Authorization: Basic YTpiYx==", NULL, NULL}, /* bits after the end */
        {"Proxy-Authorization: Basic YTp Yw==", NULL, NULL},
        {"Proxy-Authorization: Basic YTp-Yw==", NULL, NULL},
        {"Proxy-Authorization: Basic YWJj", NULL, NULL},     /* no colon */
        {"Proxy-Authorization: Basic YQA6Yg==", NULL, NULL}, /* NUL in user */
        {"Proxy-Authorization: Basic YTpiAA==", NULL, NULL}, /* NUL in password */
        {"Proxy-Authorization: Basic YTpiYw==\r\nProxy-Authorization: Basic YTpiYw==", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[256];
        snprintf(head, sizeof head, "CONNECT a:443 HTTP/1.1\r\n%s\r\n\r\n", cases[i].field);
        take(head);
        if (request.credentials.given != (cases[i].user != NULL))
            fail_msg("%s: given is %d", cases[i].field, request.credentials.given);
        assert_string_equal(request.credentials.user, cases[i].user ? cases[i].user : "");
        assert_string_equal(request.credentials.password,
                            cases[i].password ? cases[i].password : "");
    }
}

/* A head with credentials of `user` times 'u' and `password` times 'p', both multiples of 3 less
 * one and 0. */
static void take_long_credentials(size_t user, size_t password)
{
    char head[2048] = "CONNECT a:443 HTTP/1.1\r\nProxy-Authorization: Basic ";
    for (size_t i = 0; i < user / 3; i++)
        strcat(head, "dXV1");                      /* uuu */
    strcat(head, user % 3 == 2 ? "dXU6" : "OnBw"); /* uu: or :pp */
    for (size_t i = 0; i < password / 3; i++)
        strcat(head, "cHBw"); /* ppp */
    strcat(head, "\r\n\r\n");
    take(head);
}

static void credentials_have_their_limit(void **state)
{
    (void)state;
    take_long_credentials(254, 255);
    assert_true(request.credentials.given);
    assert_int_equal(strlen(request.credentials.user), 254);
    assert_int_equal(strlen(request.credentials.password), 255);
    take_long_credentials(255, 252); /* and the two of ":pp" */
    assert_true(request.credentials.given);
    assert_int_equal(strlen(request.credentials.user), 255);
    take_long_credentials(257, 3);
    assert_false(request.credentials.given);
    take_long_credentials(2, 258);
    assert_false(request.credentials.given);
    take_long_credentials(600, 600);
    assert_false(request.credentials.given);
}

#define END "Via: 1.1 adit\r\nConnection: close\r\n\r\n"

static void the_origin_gets_its_own_head(void **state)
{
    static const struct {
        const char *head, *rewritten;
    } cases[] = {
        {"GET http://a.example:81/x?y HTTP/1.1\r\nHost: b\r\nAccept: */*\r\n\r\n",
         "GET /x?y HTTP/1.1\r\nHost: a.example:81\r\nAccept: */*\r\n" END},
        {"GET http://a HTTP/1.0\n\n",
         "GET / HTTP/1.0\r\nHost: a\r\nVia: 1.0 adit\r\nConnection: close\r\n\r\n"},
        {"GET http://a/ HTTP/1.7\n\n", "GET / HTTP/1.1\r\nHost: a\r\n" END},
        {"GET http://u:p@[::1]?q HTTP/1.1\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: [::1]\r\n" END},
        {"OPTIONS http://a HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n" END},
        {"\r\nGET http://a/ HTTP/1.1\r\nConnection: keep-alive, X-Hop ,,\"\r\nKeep-Alive: 5\r\n"
         "x-hop: 1\r\nX-Hop-2: kept\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n"
         "Proxy-Authorization: Basic YTpi\r\nUpgrade: h2c\r\nProxy-Anything: x\r\nconnection: Y\r\n"
         "Y: 2\r\nCookie: a=b\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: a\r\nX-Hop-2: kept\r\nCookie: a=b\r\n" END},
        {"POST http://a/ HTTP/1.1\r\nConnection: Content-Length\r\nContent-Length: 5\r\n"
         "Content-Length: 5\r\n\r\n",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" END},
        {"POST http://a/ HTTP/1.1\r\ncontent-length: \t 0010 \r\nContent-Length:10\r\n\r\n",
         "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 10\r\n" END},
        {"POST http://a/ HTTP/1.1\nContent-Length:00\n\n",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" END},
        {"POST http://a/ HTTP/1.1\r\nTransfer-Encoding:,\tgzip ,, chunked,\r\n\r\n",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip,chunked\r\n" END},
        {"POST http://a/ HTTP/1.1\r\nConnection: transfer-encoding, host\r\nTrailer: X\r\n"
         "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
         "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n"
         "Expect: 100-continue\r\n" END},
        {"OPTIONS http://a HTTP/1.1\r\nMax-Forwards: 10\r\nMax-Forwards: x\r\n\r\n",
         "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 9\r\nMax-Forwards: x\r\n" END},
        {"GET http://a/ HTTP/1.1\r\nMax-Forwards: 10\r\nVia: 1.0 b\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 10\r\nVia: 1.0 b\r\n" END},
        {"GET http://a/ HTTP/1.1\nX:\nY:z\nZ: \t\xe9\x80\xff \n\n",
         "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY:z\r\nZ: \t\xe9\x80\xff\r\n" END},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        take(cases[i].head);
        size_t max = http_rewrite_max(&request);
        uint8_t *out = malloc(max);
        assert_non_null(out);
        size_t length = http_request_rewrite(&request, HTTP_CLOSE, out);
        assert_in_range(length, 1, max);
        assert_slice((char *)out, length, cases[i].rewritten);
        free(out);
    }
}

static void a_rewritten_head_never_outgrows_its_bound(void **state)
{
    static const char *const starts[] = {"G http://a H", "G http://a?b H"};
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        char head[4096] = "";
        strcat(strcat(head, starts[i]), "TTP/1.1\n");
        for (int line = 0; line < 1000; line++)
            strcat(head, "x:\n");
        strcat(head, "\n");
        size_t used;
        assert_int_equal(parse((uint8_t *)head, strlen(head), &used), WIRE_OK);
        uint8_t *out = malloc(http_rewrite_max(&request));
        assert_non_null(out);
        assert_in_range(http_request_rewrite(&request, HTTP_CLOSE, out), 1,
                        http_rewrite_max(&request));
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_gives_a_target),
        cmocka_unit_test(absolute_form_gives_target_and_path),
        cmocka_unit_test(bytes_that_can_be_no_request_are_bad_at_once),
        cmocka_unit_test(targets_that_a_proxy_cannot_serve_are_bad),
        cmocka_unit_test(a_body_is_framed_as_its_fields_say),
        cmocka_unit_test(fields_on_which_two_readers_could_differ_are_bad),
        cmocka_unit_test(a_head_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(more_connection_options_than_are_remembered_are_bad),
        cmocka_unit_test(basic_credentials_are_read),
        cmocka_unit_test(credentials_have_their_limit),
        cmocka_unit_test(the_origin_gets_its_own_head),
        cmocka_unit_test(a_rewritten_head_never_outgrows_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

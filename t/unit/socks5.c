/* SOCKS5 (RFC 1928, RFC 1929): parsers and replies. */
#include "wire/socks5.h"

#include "parse.h"

static struct socks5_greeting greeting;
static struct wire_credentials credentials;
static struct socks_request request;

static enum wire_status parse_greeting(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks5_greeting_parse(bytes, length, used, &greeting);
}

static enum wire_status parse_password(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks5_password_parse(bytes, length, used, &credentials);
}

static enum wire_status parse_request(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks5_request_parse(bytes, length, used, &request);
}

static void a_greeting_says_which_methods_are_offered(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        bool none, password;
    } cases[] = {
        {BYTES("\x05\x01\x00"), true, false},         {BYTES("\x05\x01\x02"), false, true},
        {BYTES("\x05\x02\x00\x02"), true, true},      {BYTES("\x05\x03\x02\x01\x00"), true, true},
        {BYTES("\x05\x02\x01\x80"), false, false},    {BYTES("\x05\x00"), false, false},
        {BYTES("\x05\x03\x00\x00\x00"), true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok("greeting", parse_greeting, cases[i].bytes, cases[i].length);
        assert_int_equal(greeting.none, cases[i].none);
        assert_int_equal(greeting.password, cases[i].password);
    }
}

static void a_greeting_may_offer_255_methods(void **state)
{
    uint8_t bytes[2 + 255];
    (void)state;
    memset(bytes, 0x80, sizeof bytes);
    bytes[0] = 5;
    bytes[1] = 255;
    bytes[256] = SOCKS5_METHOD_PASSWORD;
    check_ok("255 methods", parse_greeting, bytes, sizeof bytes);
    assert_false(greeting.none);
    assert_true(greeting.password);
}

static void a_greeting_of_another_version_is_bad_at_once(void **state)
{
    (void)state;
    assert_int_equal(check_bad("version 4", parse_greeting, BYTES("\x04\x01\x00")), 1);
    assert_int_equal(check_bad("version 0", parse_greeting, BYTES("\x00\x01\x00")), 1);
}

static void a_password_message_gives_user_and_password(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *user, *password;
    } cases[] = {
        {BYTES("\x01\x05"
               "alice"
               "\x06"
               "secret"),
         "alice", "secret"},
        {BYTES("\x01\x01"
               "a"
               "\x00"),
         "a", ""},
        {BYTES("\x01\x00\x01"
               "p"),
         "", "p"},
        {BYTES("\x01\x00\x00"), "", ""},
        {BYTES("\x01\x03"
               "a:b"
               "\x02"
               "\xc3\xa9"),
         "a:b", "\xc3\xa9"},
        {BYTES("\x01\xff" TEXT_255 "\x01"
               "x"),
         TEXT_255, "x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok(cases[i].user, parse_password, cases[i].bytes, cases[i].length);
        assert_true(credentials.given);
        assert_string_equal(credentials.user, cases[i].user);
        assert_string_equal(credentials.password, cases[i].password);
    }
}

static void a_password_message_leaves_nothing_of_the_one_before(void **state)
{
    size_t used;
    (void)state;
    memset(&credentials, 'x', sizeof credentials);
    assert_int_equal(parse_password((const uint8_t *)"\x01\x01"
                                                     "a"
                                                     "\x01"
                                                     "b",
                                    5, &used),
                     WIRE_OK);
    for (size_t i = 1; i < sizeof credentials.user; i++)
        assert_int_equal(credentials.user[i] | credentials.password[i], 0);
}

static void a_password_message_that_is_none_is_bad(void **state)
{
    (void)state;
    assert_int_equal(check_bad("version 5", parse_password, BYTES("\x05\x01\x00")), 1);
    check_bad("NUL in user", parse_password,
              BYTES("\x01\x02"
                    "a\0"
                    "\x01"
                    "p"));
    check_bad("NUL in password", parse_password,
              BYTES("\x01\x01"
                    "a"
                    "\x02"
                    "\0p"));
}

static void a_request_gives_command_and_target(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum wire_command command;
        const char *host;
        uint16_t port;
        bool is_ip;
    } cases[] = {
        {BYTES("\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x50"), WIRE_CONNECT, "10.0.0.7", 80, true},
        {BYTES("\x05\x01\x00\x03\x0b"
               "Example.COM"
               "\x01\xbb"),
         WIRE_CONNECT, "example.com", 443, false},
        {BYTES("\x05\x01\x00\x03\x0c"
               "example.com."
               "\x01\xbb"),
         WIRE_CONNECT, "example.com", 443, false},
        {BYTES("\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xff\xff"), WIRE_CONNECT,
         "2001:db8::1", 65535, true},
        {BYTES("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\x00\x16"), WIRE_CONNECT,
         "127.0.0.1", 22, true},
        {BYTES("\x05\x01\x00\x03\x09"
               "127.0.0.1"
               "\x00\x16"),
         WIRE_CONNECT, "127.0.0.1", 22, true},
        {BYTES("\x05\x01\x00\x03\x03"
               "::1"
               "\x00\x16"),
         WIRE_CONNECT, "::1", 22, true},
        {BYTES("\x05\x01\x00\x03\x05"
               "[::1]"
               "\x00\x16"),
         WIRE_CONNECT, "::1", 22, true},
        {BYTES("\x05\x01\x00\x03\x01"
               "h"
               "\x00\x01"),
         WIRE_CONNECT, "h", 1, false},
        {BYTES("\x05\x02\x00\x01\0\0\0\0\x00\x00"), WIRE_BIND, "0.0.0.0", 0, true},
        {BYTES("\x05\x03\x00\x01\0\0\0\0\x00\x00"), WIRE_UDP_ASSOCIATE, "0.0.0.0", 0, true},
        {BYTES("\x05\x01\x00\x03\xff" TEXT_255 "\x00\x50"), WIRE_CONNECT, TEXT_255, 80, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok(cases[i].host, parse_request, cases[i].bytes, cases[i].length);
        assert_int_equal(request.command, cases[i].command);
        assert_string_equal(request.target.host, cases[i].host);
        assert_int_equal(request.target.port, cases[i].port);
        assert_int_equal(request.target.is_ip, cases[i].is_ip);
        if (request.target.is_ip) {
            char text[IP_TEXT_MAX];
            assert_string_equal(ip_format(&request.target.ip, text), cases[i].host);
        }
    }
}

static void a_request_that_is_none_is_bad_and_says_why(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t length;
        enum outcome outcome;
        size_t first; /* bytes it takes to see it */
    } cases[] = {
        {"version", BYTES("\x04\x01\x00\x01\x7f\0\0\x01\x00\x50"), OUTCOME_MALFORMED, 1},
        {"command 0", BYTES("\x05\x00\x00\x01\x7f\0\0\x01\x00\x50"), OUTCOME_COMMAND, 2},
        {"command 4", BYTES("\x05\x04\x00\x01\x7f\0\0\x01\x00\x50"), OUTCOME_COMMAND, 2},
        {"Tor's RESOLVE", BYTES("\x05\xf0\x00\x03\x01h\x00\x00"), OUTCOME_COMMAND, 2},
        {"reserved", BYTES("\x05\x01\x01\x01\x7f\0\0\x01\x00\x50"), OUTCOME_MALFORMED, 3},
        {"type 0", BYTES("\x05\x01\x00\x00\x7f\0\0\x01\x00\x50"), OUTCOME_ADDRESS_TYPE, 4},
        {"type 2", BYTES("\x05\x01\x00\x02\x7f\0\0\x01\x00\x50"), OUTCOME_ADDRESS_TYPE, 4},
        {"type 5", BYTES("\x05\x01\x00\x05\x7f\0\0\x01\x00\x50"), OUTCOME_ADDRESS_TYPE, 4},
        {"empty name", BYTES("\x05\x01\x00\x03\x00\x00\x50"), OUTCOME_MALFORMED, 5},
        {"NUL",
         BYTES("\x05\x01\x00\x03\x03"
               "a\0b"
               "\x00\x50"),
         OUTCOME_MALFORMED, 10},
        {"space",
         BYTES("\x05\x01\x00\x03\x03"
               "a b"
               "\x00\x50"),
         OUTCOME_MALFORMED, 10},
        {"line end",
         BYTES("\x05\x01\x00\x03\x03"
               "a\nb"
               "\x00\x50"),
         OUTCOME_MALFORMED, 10},
        {"DEL",
         BYTES("\x05\x01\x00\x03\x03"
               "a\x7f"
               "b\x00\x50"),
         OUTCOME_MALFORMED, 10},
        {"dots",
         BYTES("\x05\x01\x00\x03\x03"
               "a.."
               "\x00\x50"),
         OUTCOME_MALFORMED, 10},
        {"root",
         BYTES("\x05\x01\x00\x03\x01"
               "."
               "\x00\x50"),
         OUTCOME_MALFORMED, 8},
        {"port 0", BYTES("\x05\x01\x00\x01\x7f\0\0\x01\x00\x00"), OUTCOME_MALFORMED, 10},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t first = check_bad(cases[i].name, parse_request, cases[i].bytes, cases[i].length);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(request.outcome, cases[i].outcome);
    }
}

static void a_refused_request_changes_nothing(void **state)
{
    size_t used;
    (void)state;
    strcpy(request.target.host, "before");
    request.command = WIRE_FORWARD;
    assert_int_equal(parse_request((const uint8_t *)"\x05\x01\x00\x03\x01 \x00\x50", 8, &used),
                     WIRE_BAD);
    assert_string_equal(request.target.host, "before");
    assert_int_equal(request.command, WIRE_FORWARD);
}

static void replies_follow_the_table(void **state)
{
    uint8_t out[SOCKS5_REPLY_MAX];
    struct ip ip;
    (void)state;

    assert_int_equal(socks5_method_reply(SOCKS5_METHOD_NO_ACCEPTABLE, out), 2);
    assert_memory_equal(out, "\x05\xff", 2);
    assert_int_equal(socks5_password_reply(true, out), 2);
    assert_memory_equal(out, "\x01\x00", 2);
    assert_int_equal(socks5_password_reply(false, out), 2);
    assert_memory_equal(out, "\x01\x01", 2);

    assert_int_equal(socks5_reply(OUTCOME_REFUSED, NULL, 0, out), 10);
    assert_memory_equal(out, "\x05\x05\x00\x01\0\0\0\0\0\0", 10);
    assert_true(ip_parse("192.0.2.1", &ip));
    assert_int_equal(socks5_reply(OUTCOME_OK, &ip, 0x1234, out), 10);
    assert_memory_equal(out, "\x05\x00\x00\x01\xc0\x00\x02\x01\x12\x34", 10);
    assert_true(ip_parse("2001:db8::1", &ip));
    assert_int_equal(socks5_reply(OUTCOME_OK, &ip, 443, out), 22);
    assert_memory_equal(out, "\x05\x00\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb",
                        22);
}

static void the_first_byte_names_the_protocol(void **state)
{
    (void)state;
    assert_int_equal(wire_sniff(0x05), WIRE_SOCKS5);
    assert_int_equal(wire_sniff(0x04), WIRE_SOCKS4);
    assert_int_equal(wire_sniff('C'), WIRE_HTTP);
    assert_int_equal(wire_sniff(0x16), WIRE_HTTP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_says_which_methods_are_offered),
        cmocka_unit_test(a_greeting_may_offer_255_methods),
        cmocka_unit_test(a_greeting_of_another_version_is_bad_at_once),
        cmocka_unit_test(a_password_message_gives_user_and_password),
        cmocka_unit_test(a_password_message_leaves_nothing_of_the_one_before),
        cmocka_unit_test(a_password_message_that_is_none_is_bad),
        cmocka_unit_test(a_request_gives_command_and_target),
        cmocka_unit_test(a_request_that_is_none_is_bad_and_says_why),
        cmocka_unit_test(a_refused_request_changes_nothing),
        cmocka_unit_test(replies_follow_the_table),
        cmocka_unit_test(the_first_byte_names_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

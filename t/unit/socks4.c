/* SOCKS4 and SOCKS4a: the request and the reply. */
#include "wire/socks4.h"

#include "parse.h"

static struct socks_request request;

static enum wire_status parse(const uint8_t *bytes, size_t length, size_t *used)
{
    return socks4_request_parse(bytes, length, used, &request);
}

static void a_request_gives_command_user_and_target(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum wire_command command;
        const char *user;
        const char *host;
        uint16_t port;
        bool is_ip;
    } cases[] = {
        {BYTES("\x04\x01\x00\x50\x0a\x00\x00\x07"
               "fred\0"),
         WIRE_CONNECT, "fred", "10.0.0.7", 80, true},
        {BYTES("\x04\x01\x00\x50\x0a\x00\x00\x07\0"), WIRE_CONNECT, "", "10.0.0.7", 80, true},
        {BYTES("\x04\x01\x00\x50\0\0\0\0\0"), WIRE_CONNECT, "", "0.0.0.0", 80, true},
        {BYTES("\x04\x01\x00\x50\0\0\x01\x01\0"), WIRE_CONNECT, "", "0.0.1.1", 80, true},
        {BYTES("\x04\x01\x01\xbb\0\0\0\x01"
               "fred\0Example.com.\0"),
         WIRE_CONNECT, "fred", "example.com", 443, false},
        {BYTES("\x04\x01\x01\xbb\0\0\0\xff\0"
               "127.0.0.1\0"),
         WIRE_CONNECT, "", "127.0.0.1", 443, true},
        {BYTES("\x04\x01\x01\xbb\0\0\0\x01\0::FFFF:127.0.0.1\0"), WIRE_CONNECT, "", "127.0.0.1",
         443, true},
        {BYTES("\x04\x02\x00\x00\x0a\x00\x00\x07\0"), WIRE_BIND, "", "10.0.0.7", 0, true},
        {BYTES("\x04\x01\x00\x50\0\0\0\x01" TEXT_255 "\0" TEXT_255 "\0"), WIRE_CONNECT, TEXT_255,
         TEXT_255, 80, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_ok(cases[i].host, parse, cases[i].bytes, cases[i].length);
        assert_int_equal(request.command, cases[i].command);
        assert_string_equal(request.user, cases[i].user);
        assert_string_equal(request.target.host, cases[i].host);
        assert_int_equal(request.target.port, cases[i].port);
        assert_int_equal(request.target.is_ip, cases[i].is_ip);
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
        {"version", BYTES("\x05\x01\x00\x50\x7f\0\0\x01\0"), OUTCOME_MALFORMED, 1},
        {"command 0", BYTES("\x04\x00\x00\x50\x7f\0\0\x01\0"), OUTCOME_COMMAND, 2},
        {"command 3", BYTES("\x04\x03\x00\x50\x7f\0\0\x01\0"), OUTCOME_COMMAND, 2},
        {"port 0", BYTES("\x04\x01\x00\x00\x7f\0\0\x01\0"), OUTCOME_MALFORMED, 8},
        {"long user", BYTES("\x04\x01\x00\x50\x7f\0\0\x01" TEXT_255 "x\0"), OUTCOME_MALFORMED, 264},
        {"long name", BYTES("\x04\x01\x00\x50\0\0\0\x01\0" TEXT_255 "x\0"), OUTCOME_MALFORMED, 265},
        {"empty name", BYTES("\x04\x01\x00\x50\0\0\0\x01\0\0"), OUTCOME_MALFORMED, 10},
        {"space", BYTES("\x04\x01\x00\x50\0\0\0\x01\0a b\0"), OUTCOME_MALFORMED, 13},
        {"line end", BYTES("\x04\x01\x00\x50\0\0\0\x01\0a\r\nb\0"), OUTCOME_MALFORMED, 14},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t first = check_bad(cases[i].name, parse, cases[i].bytes, cases[i].length);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(request.outcome, cases[i].outcome);
    }
}

static void replies_follow_the_table(void **state)
{
    static const char refused[] = "\x00\x5b\0\0\0\0\0\0";
    uint8_t out[SOCKS4_REPLY_MAX];
    struct ip ip;
    (void)state;

    assert_int_equal(socks4_reply(OUTCOME_REFUSED, NULL, 0, out), 8);
    assert_memory_equal(out, refused, 8);
    assert_true(ip_parse("192.0.2.1", &ip));
    assert_int_equal(socks4_reply(OUTCOME_OK, &ip, 0x1234, out), 8);
    assert_memory_equal(out, "\x00\x5a\x12\x34\xc0\x00\x02\x01", 8);
    assert_true(ip_parse("2001:db8::1", &ip));
    assert_int_equal(socks4_reply(OUTCOME_OK, &ip, 443, out), 8);
    assert_memory_equal(out, "\x00\x5a\0\0\0\0\0\0", 8);
    socks4_reply(OUTCOME_AUTHENTICATION, NULL, 0, out);
    assert_int_equal(out[1], 0x5d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_gives_command_user_and_target),
        cmocka_unit_test(a_request_that_is_none_is_bad_and_says_why),
        cmocka_unit_test(replies_follow_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

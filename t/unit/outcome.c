/* The table of outcomes, what an SSH server's refusal means, and the HTTP replies made of both. */
#include "wire/http.h"
#include "wire/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void the_codes_are_those_of_the_design(void **state)
{
    static const struct {
        enum outcome outcome;
        uint8_t socks5, socks4;
        uint16_t http;
    } cases[] = {
        {OUTCOME_OK, 0, 0x5a, 200},
        {OUTCOME_PROHIBITED, 2, 0x5b, 403},
        {OUTCOME_REFUSED, 5, 0x5b, 502},
        {OUTCOME_NETWORK_UNREACHABLE, 3, 0x5b, 502},
        {OUTCOME_HOST_UNREACHABLE, 4, 0x5b, 502},
        {OUTCOME_CONNECT_TIMED_OUT, 4, 0x5b, 504},
        {OUTCOME_UNKNOWN_HOST, 4, 0x5b, 502},
        {OUTCOME_UNKNOWN_CHANNEL, 7, 0x5b, 502},
        {OUTCOME_SHORTAGE, 1, 0x5b, 503},
        {OUTCOME_DENIED, 2, 0x5b, 403},
        {OUTCOME_NO_SESSION, 1, 0x5b, 503},
        {OUTCOME_OPEN_TIMEOUT, 6, 0x5b, 504},
        {OUTCOME_AUTHENTICATION, 2, 0x5d, 407},
        {OUTCOME_COMMAND, 7, 0x5b, 405},
        {OUTCOME_ADDRESS_TYPE, 8, 0x5b, 400},
        {OUTCOME_MALFORMED, 1, 0x5b, 400},
        {OUTCOME_HANDSHAKE_TIMEOUT, 1, 0x5b, 408},
        {OUTCOME_HEAD_TOO_LARGE, 1, 0x5b, 431},
        {OUTCOME_SCHEME, 1, 0x5b, 400},
        {OUTCOME_NO_PROXY_REQUEST, 1, 0x5b, 400},
        {OUTCOME_LAST_HOP, 1, 0x5b, 200},
        {OUTCOME_BAD_RESPONSE, 1, 0x5b, 502},
        {OUTCOME_NO_RESPONSE, 1, 0x5b, 502},
        {OUTCOME_RESPONSE_TOO_LARGE, 1, 0x5b, 502},
        {OUTCOME_LIMITED, 1, 0x5b, 429},
        {OUTCOME_FULL, 1, 0x5b, 503},
        {OUTCOME_GIVEN_UP, 1, 0x5b, 400},
    };
    (void)state;
    assert_int_equal(sizeof cases / sizeof cases[0], OUTCOMES);
    for (size_t i = 0; i < OUTCOMES; i++) {
        const struct outcome_row *row = outcome_row(cases[i].outcome);
        assert_int_equal(row->socks5, cases[i].socks5);
        assert_int_equal(row->socks4, cases[i].socks4);
        assert_int_equal(row->http, cases[i].http);
    }
}

static void every_row_is_full_and_has_its_own_name(void **state)
{
    (void)state;
    for (int i = 0; i < OUTCOMES; i++) {
        const struct outcome_row *row = outcome_row((enum outcome)i);
        assert_non_null(row->name);
        assert_non_null(row->http_reason);
        assert_in_range(strlen(row->cause), 1, 64);
        assert_int_equal(row->proxy_status == NULL, row->http == 200);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(row->name, outcome_row((enum outcome)j)->name);
    }
}

static void an_open_failure_is_understood(void **state)
{
    static const struct {
        uint32_t reason;
        const char *text;
        enum outcome outcome;
    } cases[] = {
        {1, "open failed", OUTCOME_PROHIBITED},
        {1, "Connection refused", OUTCOME_PROHIBITED},
        {2, "Connection refused", OUTCOME_REFUSED},
        {2, "connect: CONNECTION REFUSED", OUTCOME_REFUSED},
        {2, "Network is unreachable", OUTCOME_NETWORK_UNREACHABLE},
        {2, "No route to host", OUTCOME_HOST_UNREACHABLE},
        {2, "Connection timed out", OUTCOME_CONNECT_TIMED_OUT},
        {2, "Operation timed out", OUTCOME_CONNECT_TIMED_OUT},
        {2, "dial tcp 10.0.0.1:80: i/o timeout", OUTCOME_CONNECT_TIMED_OUT},
        {2, "Name or service not known", OUTCOME_UNKNOWN_HOST},
        {2, "Temporary failure in name resolution", OUTCOME_UNKNOWN_HOST},
        {2, "Non-recoverable failure in name resolution", OUTCOME_UNKNOWN_HOST},
        {2, "No address associated with hostname", OUTCOME_UNKNOWN_HOST},
        {2, "Name does not resolve", OUTCOME_UNKNOWN_HOST},
        {2, "nodename nor servname provided, or not known", OUTCOME_UNKNOWN_HOST},
        {2, "dial tcp: lookup a.example: no such host", OUTCOME_UNKNOWN_HOST},
        {2, "open failed", OUTCOME_HOST_UNREACHABLE},
        {2, "", OUTCOME_HOST_UNREACHABLE},
        {2, NULL, OUTCOME_HOST_UNREACHABLE},
        {3, "unknown channel type", OUTCOME_UNKNOWN_CHANNEL},
        {4, NULL, OUTCOME_SHORTAGE},
        {0, NULL, OUTCOME_HOST_UNREACHABLE},
        {99, "whatever", OUTCOME_HOST_UNREACHABLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(outcome_from_open_failure(cases[i].reason, cases[i].text),
                         cases[i].outcome);
}

/* The reply as a string, in static storage. */
static const char *reply(enum outcome outcome, const struct wire_target *target, const char *detail)
{
    static char text[HTTP_REPLY_MAX + 1];
    char *out = malloc(HTTP_REPLY_MAX);
    assert_non_null(out);
    size_t length = http_reply(outcome, target, detail, out);
    assert_in_range(length, 1, HTTP_REPLY_MAX);
    memcpy(text, out, length);
    text[length] = '\0';
    free(out);
    return text;
}

static void success_is_a_bare_status_line(void **state)
{
    (void)state;
    assert_string_equal(reply(OUTCOME_OK, NULL, NULL),
                        "HTTP/1.1 200 Connection established\r\n\r\n");
}

static void the_last_hop_answers_itself(void **state)
{
    (void)state;
    assert_string_equal(reply(OUTCOME_LAST_HOP, NULL, NULL),
                        "HTTP/1.1 200 OK\r\n"
                        "Allow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n"
                        "Content-Length: 0\r\nConnection: close\r\n\r\n");
}

static void a_failure_names_target_and_cause(void **state)
{
    struct wire_target target;
    (void)state;
    assert_true(wire_target_set(&target, "::1", 3, 443));
    assert_string_equal(reply(OUTCOME_REFUSED, &target, "open failed"),
                        "HTTP/1.1 502 Bad Gateway\r\n"
                        "Proxy-Status: adit; error=connection_refused; "
                        "details=\"connection refused: open failed\"\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "Content-Length: 49\r\n"
                        "Connection: close\r\n"
                        "\r\n"
                        "adit: [::1]:443: connection refused: open failed\n");
}

static void a_detail_that_only_repeats_the_cause_is_left_out(void **state)
{
    (void)state;
    assert_non_null(strstr(reply(OUTCOME_REFUSED, NULL, "Connection refused"),
                           "; details=\"connection refused\"\r\n"));
}

static void statuses_that_need_a_field_have_it(void **state)
{
    (void)state;
    assert_non_null(strstr(reply(OUTCOME_AUTHENTICATION, NULL, NULL),
                           "\r\nProxy-Authenticate: Basic realm=\"adit\", charset=\"UTF-8\"\r\n"));
    assert_non_null(strstr(reply(OUTCOME_COMMAND, NULL, NULL), "\r\nAllow: CONNECT, "));
}

/* Where the body starts, after checking that Content-Length says its length. */
static const char *body_of(const char *text)
{
    const char *body = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "\r\nContent-Length: ");
    assert_non_null(body);
    assert_non_null(length);
    assert_int_equal(strtoul(length + strlen("\r\nContent-Length: "), NULL, 10), strlen(body + 4));
    return body + 4;
}

static void a_target_that_is_not_known_is_left_out(void **state)
{
    static const struct wire_target none;
    (void)state;
    static const char said[] = "adit: this is not a well-formed request to a proxy\n";
    assert_string_equal(body_of(reply(OUTCOME_MALFORMED, NULL, NULL)), said);
    assert_string_equal(body_of(reply(OUTCOME_MALFORMED, &none, "")), said);
}

static void a_detail_cannot_write_fields(void **state)
{
    (void)state;
    const char *text =
        reply(OUTCOME_REFUSED, NULL, "a\r\nSet-Cookie: x\r\n\r\n\"b\\\x1b\x7f\xc3\xa9\tz");
    assert_null(strstr(text, "\nSet-Cookie"));
    assert_non_null(strstr(text, "; details=\"connection refused: a??Set-Cookie: x????\\\"b\\\\?"
                                 "????z\"\r\n"));
    assert_string_equal(body_of(text), "adit: connection refused: a??Set-Cookie: x????\"b\\?"
                                       "????z\n");
}

/* A name with U+009B (CSI of a terminal), one with U+00E9, and a byte that is no UTF-8. */
static void a_target_cannot_drive_a_terminal(void **state)
{
    struct wire_target target = {.host = "\xc2\x9b[31m\xc3\xa9\xff.example", .port = 80};
    (void)state;
    assert_string_equal(body_of(reply(OUTCOME_REFUSED, &target, NULL)),
                        "adit: ??[31m\xc3\xa9?.example:80: connection refused\n");
}

static void the_longest_reply_fits(void **state)
{
    struct wire_target target = {.port = 65535};
    char detail[8192];
    (void)state;
    memset(target.host, ':', HOST_MAX); /* the colon brings brackets */
    memset(detail, '"', sizeof detail - 1);
    detail[sizeof detail - 1] = '\0';
    for (int i = 1; i < OUTCOMES; i++) {
        const char *text = reply((enum outcome)i, &target, detail);
        if (i == OUTCOME_LAST_HOP)
            continue; /* it has no body */
        const char *body = body_of(text);
        assert_int_equal(body[strlen(body) - 1], '\n');
        assert_non_null(strstr(body, "]:65535: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_codes_are_those_of_the_design),
        cmocka_unit_test(every_row_is_full_and_has_its_own_name),
        cmocka_unit_test(an_open_failure_is_understood),
        cmocka_unit_test(success_is_a_bare_status_line),
        cmocka_unit_test(the_last_hop_answers_itself),
        cmocka_unit_test(a_failure_names_target_and_cause),
        cmocka_unit_test(a_detail_that_only_repeats_the_cause_is_left_out),
        cmocka_unit_test(statuses_that_need_a_field_have_it),
        cmocka_unit_test(a_target_that_is_not_known_is_left_out),
        cmocka_unit_test(a_detail_cannot_write_fields),
        cmocka_unit_test(a_target_cannot_drive_a_terminal),
        cmocka_unit_test(the_longest_reply_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

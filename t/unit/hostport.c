/* Tests of base/hostport. */
#include "base/hostport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void ports_fill_their_text_whole(void **state)
{
    static const struct {
        const char *text;
        bool zero_ok;
        int port; /* -1: refused */
    } cases[] = {
        {"1", false, 1},
        {"80", false, 80},
        {"65535", false, 65535},
        {"0080", false, 80},
        {"0", true, 0},
        {"0", false, -1},
        {"65536", false, -1},
        {"65616", true, -1},
        {"", true, -1},
        {"-1", true, -1},
        {"+80", true, -1},
        {" 80", true, -1},
        {"80 ", true, -1},
        {"0x50", true, -1},
        {"80x", true, -1},
        {"http", true, -1},
        {"18446744073709551696", true, -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint16_t port = 0;
        bool valid = port_parse(cases[i].text, cases[i].zero_ok, &port);
        if (valid != (cases[i].port >= 0) || (valid && port != cases[i].port))
            fail_msg("\"%s\"", cases[i].text);
    }
}

/* Splits from a block of just that size, so that the address sanitizer sees a read beyond it. */
static bool split(const char *text, size_t length, uint16_t default_port, char *host,
                  uint16_t *port)
{
    char *block = malloc(length ? length : 1);

    memcpy(block, text, length);
    bool valid = hostport_split(block, length, default_port, host, port);
    free(block);
    return valid;
}

static void hosts_and_ports_part(void **state)
{
    static const struct {
        const char *text;
        uint16_t default_port;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"example.com:80", 0, "example.com", 80},
        {"example.com:80", 22, "example.com", 80},
        {"example.com", 22, "example.com", 22},
        {"10.0.0.1:443", 0, "10.0.0.1", 443},
        {"10.0.0.1", 22, "10.0.0.1", 22},
        {"[::1]:80", 0, "::1", 80},
        {"[::1]", 22, "::1", 22},
        {"::1", 22, "::1", 22},
        {"2001:db8::1:80", 22, "2001:db8::1:80", 22},
        {"::ffff:10.0.0.1", 22, "::ffff:10.0.0.1", 22},
        {"[10.0.0.1]:80", 0, "10.0.0.1", 80},
        {"[example.com]:2222", 0, "example.com", 2222},
        {"ExAmple.com.:80", 0, "ExAmple.com.", 80},
        {"a:65535", 0, "a", 65535},
        {"b\xc3\xbc"
         "cher.example:80",
         0,
         "b\xc3\xbc"
         "cher.example",
         80},
    };
    char host[HOST_MAX + 1];
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text = cases[i].text;
        if (!split(text, strlen(text), cases[i].default_port, host, &port))
            fail_msg("%s was refused", text);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void malformed_hosts_and_ports_are_refused(void **state)
{
    static const struct {
        const char *text;
        uint16_t default_port;
    } cases[] = {
        {"", 0},
        {"", 22},
        {":", 22},
        {":80", 0},
        {"example.com", 0},
        {"example.com:", 0},
        {"example.com:", 22},
        {"example.com:0", 22},
        {"a:65536", 22},
        {"a:80x", 22},
        {"a:-1", 22},
        {"a:00000000080", 22},
        {"a b:80", 0},
        {" a:80", 0},
        {"a\t:80", 0},
        {"a\x7f:80", 0},
        {"a\r\n:80", 0},
        {"a: 80", 0},
        {"::1", 0},
        {"::1:80", 0},
        {"a:b:80", 22},
        {"fe80::1%eth0", 22},
        {"[::1]80", 22},
        {"[::1]:", 22},
        {"[::1]:x", 22},
        {"[::1", 22},
        {"[]:80", 22},
        {"[:80", 22},
        {"[a:b]:80", 22},
        {"[[::1]]:80", 22},
        {"::1]:80", 22},
        {"a[b]:80", 22},
        {"a]:80", 22},
        {"[fe80::1%eth0]:80", 22},
    };
    char host[HOST_MAX + 1];
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text = cases[i].text;
        if (split(text, strlen(text), cases[i].default_port, host, &port))
            fail_msg("\"%s\" was taken", text);
    }
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const char whole[] = "example.com:8080";
    char host[HOST_MAX + 1];
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < sizeof(whole) - 1; i++) {
        char text[sizeof(whole)];
        memcpy(text, whole, sizeof(whole));
        text[i] = '\0';
        assert_false(split(text, sizeof(whole) - 1, 22, host, &port));
    }
    assert_false(split("example.com:80\0", 15, 22, host, &port));
}

static void a_host_may_be_255_bytes_and_no_more(void **state)
{
    char text[HOST_MAX + 4];
    char host[HOST_MAX + 1];
    uint16_t port;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + HOST_MAX, ":80", 3);
    assert_true(split(text, HOST_MAX + 3, 0, host, &port));
    assert_int_equal(strlen(host), HOST_MAX);
    assert_true(split(text, HOST_MAX, 22, host, &port));
    memcpy(text + HOST_MAX, "a:80", 4);
    assert_false(split(text, HOST_MAX + 4, 0, host, &port));
    assert_false(split(text, HOST_MAX + 1, 22, host, &port));
}

static void what_is_written_is_read_back(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *text;
    } cases[] = {
        {"example.com", 80, "example.com:80"},
        {"10.0.0.1", 65535, "10.0.0.1:65535"},
        {"::1", 22, "[::1]:22"},
    };
    char text[HOSTPORT_TEXT_MAX];
    char host[HOST_MAX + 1];
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_string_equal(hostport_format(cases[i].host, cases[i].port, text), cases[i].text);
        assert_true(split(text, strlen(text), 0, host, &port));
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
}

static void the_longest_host_is_written_whole(void **state)
{
    char host[HOST_MAX + 1] = "";
    char text[HOSTPORT_TEXT_MAX];

    (void)state;
    memset(host, ':', HOST_MAX);
    hostport_format(host, 65535, text);
    assert_int_equal(strlen(text), HOSTPORT_TEXT_MAX - 1);
    assert_string_equal(text + HOST_MAX + 1, "]:65535");
}

static void names_are_normalised(void **state)
{
    static const struct {
        const char *from;
        const char *to;
    } cases[] = {
        {"example.com", "example.com"},
        {"EXAMPLE.Com", "example.com"},
        {"Example.com.", "example.com"},
        {"example.com..", "example.com."},
        {".", "."},
        {"", ""},
        {"[::1]", "::1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::ffff:10.0.0.1", "10.0.0.1"},
        {"[::FFFF:a00:1]", "10.0.0.1"},
        {"[10.0.0.1]", "10.0.0.1"},
        {"10.0.0.1.", "10.0.0.1"},
        {"1::2:3:4:5:6:7", "1:0:2:3:4:5:6:7"},
        {"::ffff:ffff", "::ffff:ffff"},
        {"127.1", "127.1"},
        {"@[`{", "@[`{"},
        {"B\xc3\x9c"
         "CHER",
         "b\xc3\x9c"
         "cher"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char host[HOST_MAX + 1];
        strcpy(host, cases[i].from);
        host_normalise(host);
        assert_string_equal(host, cases[i].to);
    }
}

static void a_zone_stays_with_its_address(void **state)
{
    static const struct {
        const char *text;
        uint16_t default_port;
        const char *host; /* NULL: refused */
        uint16_t port;
    } cases[] = {
        {"fe80::1%eth0", 22, "fe80::1%eth0", 22},
        {"[fe80::1%eth0]", 22, "fe80::1%eth0", 22},
        {"[fe80::1%2]:2222", 22, "fe80::1%2", 2222},
        {"[fe80::1%eth0]:2222", 0, "fe80::1%eth0", 2222},
        {"fe80::1", 22, "fe80::1", 22},
        {"host:5", 22, "host", 5},
        {"fe80::1%eth0", 0, NULL, 0},
        {"fe80::1%", 22, NULL, 0},
        {"[fe80::1%]", 22, NULL, 0},
        {"fe80::1%an interface", 22, NULL, 0},
        {"fe80::1%abcdefghijklmnop", 22, NULL, 0},
        {"host%eth0", 22, NULL, 0},
        {"10.0.0.1%eth0", 22, NULL, 0},
        {"%eth0", 22, NULL, 0},
        {"%", 22, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char host[HOST_MAX + 1] = "";
        uint16_t port = 0;
        bool valid = hostport_split_zoned(cases[i].text, strlen(cases[i].text),
                                          cases[i].default_port, host, &port);
        if (valid != (cases[i].host != NULL) ||
            (valid && (strcmp(host, cases[i].host) != 0 || port != cases[i].port)))
            fail_msg("\"%s\": \"%s\" %u", cases[i].text, host, port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_fill_their_text_whole),
        cmocka_unit_test(hosts_and_ports_part),
        cmocka_unit_test(malformed_hosts_and_ports_are_refused),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(a_host_may_be_255_bytes_and_no_more),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_longest_host_is_written_whole),
        cmocka_unit_test(names_are_normalised),
        cmocka_unit_test(a_zone_stays_with_its_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

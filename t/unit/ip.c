/* Tests of base/ip. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ip ip_of(const char *text)
{
    struct ip ip;

    if (!ip_parse(text, &ip))
        fail_msg("%s is no address", text);
    return ip;
}

static void literals_are_read_and_written_in_one_form(void **state)
{
    static const struct {
        const char *text;
        const char *canonical;
        bool v4;
    } cases[] = {
        {"0.0.0.0", "0.0.0.0", true},
        {"10.0.0.1", "10.0.0.1", true},
        {"255.255.255.255", "255.255.255.255", true},
        {"[10.0.0.1]", "10.0.0.1", true},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
        {"::FFFF:0a00:0001", "10.0.0.1", true},
        {"[::ffff:10.0.0.1]", "10.0.0.1", true},
        {"0:0:0:0:0:ffff:a00:1", "10.0.0.1", true},
        {"::", "::", false},
        {"::1", "::1", false},
        {"[::1]", "::1", false},
        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", false},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", false},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", false},
        {"1::2:3:4:5:6:7", "1:0:2:3:4:5:6:7", false},
        {"fe80::0001", "fe80::1", false},
        {"::1.2.3.4", "::102:304", false},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304", false},
        {"::fffe:1.2.3.4", "::fffe:102:304", false},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         false},
    };
    char text[IP_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip ip = ip_of(cases[i].text);
        assert_string_equal(ip_format(&ip, text), cases[i].canonical);
        assert_int_equal(ip_is_v4(&ip), cases[i].v4);
        struct ip again = ip_of(text);
        assert_true(ip_equal(&ip, &again));
    }
}

static void what_is_no_strict_literal_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "[",
        "]",
        "[]",
        "[[::1]]",
        "[::1",
        "::1]",
        "1",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "010.0.0.1",
        "10.0.0.256",
        "10.0.0",
        "10.0.0.1.",
        " 10.0.0.1",
        "10.0.0.1 ",
        "10.0.0.1/8",
        ":",
        ":::",
        "1::2::3",
        "12345::",
        "::g",
        "fe80::1%eth0",
        "1:2:3:4:5:6:7:8:9",
        "example.com",
        "::ffff:10.0.0.1.1111111111111111111111111111111111111111111111111111111",
    };
    struct ip ip;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (ip_parse(cases[i], &ip))
            fail_msg("%s was taken for an address", cases[i]);
    }
}

static void loose_reading_sees_what_getaddrinfo_would_see(void **state)
{
    static const struct {
        const char *text;
        const char *canonical; /* NULL: none */
    } cases[] = {
        {"127.0.0.1", "127.0.0.1"},
        {"127.1", "127.0.0.1"},
        {"0x7f.1", "127.0.0.1"},
        {"0x7f000001", "127.0.0.1"},
        {"017700000001", "127.0.0.1"},
        {"2130706433", "127.0.0.1"},
        {"0", "0.0.0.0"},
        {"::1", "::1"},
        {"[::1]", "::1"},
        {"::1%lo", "::1"},
        {"::1%", "::1"},
        {"fe80::1%eth0", "fe80::1"},
        {"::ffff:127.0.0.1%1", "127.0.0.1"},
        {"127.0.0.1%lo", NULL},
        {"127.1 x", NULL},
        {"1.2.3.4.5", NULL},
        {"4294967296", NULL},
        {"0xg", NULL},
        {"", NULL},
        {"%", NULL},
        {"localhost", NULL},
        {"1e3", NULL},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111%x", NULL},
    };
    char text[IP_TEXT_MAX];
    struct ip ip;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool found = ip_parse_loose(cases[i].text, &ip);
        if (found != (cases[i].canonical != NULL))
            fail_msg("%s: %s", cases[i].text, found ? "an address" : "no address");
        if (found)
            assert_string_equal(ip_format(&ip, text), cases[i].canonical);
    }
}

static void loopback_is_127_and_colon_colon_1(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.255.255.255", true},
        {"::ffff:127.0.0.2", true},
        {"::1", true},
        {"126.255.255.255", false},
        {"128.0.0.1", false},
        {"::2", false},
        {"::", false},
        {"::7f00:1", false},
        {"1::1", false},
        {"0.0.0.0", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip ip = ip_of(cases[i].text);
        if (ip_is_loopback(&ip) != cases[i].loopback)
            fail_msg("%s", cases[i].text);
    }
}

static void socket_addresses_go_there_and_back(void **state)
{
    static const struct {
        const char *text;
        sa_family_t family;
        socklen_t length;
    } cases[] = {
        {"192.0.2.7", AF_INET, sizeof(struct sockaddr_in)},
        {"::ffff:192.0.2.7", AF_INET, sizeof(struct sockaddr_in)},
        {"2001:db8::7", AF_INET6, sizeof(struct sockaddr_in6)},
    };
    struct sockaddr_storage sa;
    struct ip back;
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip ip = ip_of(cases[i].text);
        assert_int_equal(ip_to_sockaddr(&ip, 8080, &sa), cases[i].length);
        assert_int_equal(sa.ss_family, cases[i].family);
        assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &back, &port));
        assert_true(ip_equal(&ip, &back));
        assert_int_equal(port, 8080);
    }
}

static void socket_addresses_are_as_the_kernel_has_them(void **state)
{
    struct sockaddr_storage sa;
    struct ip four = ip_of("192.0.2.7");
    struct in_addr wanted;

    (void)state;
    ip_to_sockaddr(&four, 258, &sa);
    inet_pton(AF_INET, "192.0.2.7", &wanted);
    assert_int_equal(((struct sockaddr_in *)&sa)->sin_addr.s_addr, wanted.s_addr);
    assert_int_equal(((struct sockaddr_in *)&sa)->sin_port, htons(258));
}

static void a_dual_stack_socket_tells_v4_clients_as_v4(void **state)
{
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct ip ip;
    uint16_t port;

    (void)state;
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &sa.sin6_addr);
    assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &ip, &port));
    assert_true(ip_is_v4(&ip));
}

static void a_unix_socket_address_is_no_ip(void **state)
{
    struct sockaddr sa = {.sa_family = AF_UNIX};
    struct ip ip;
    uint16_t port;

    (void)state;
    assert_false(ip_from_sockaddr(&sa, &ip, &port));
}

static void networks_hold_their_addresses_and_no_others(void **state)
{
    static const struct {
        const char *network;
        const char *ip;
        bool inside;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "11.1.2.3", false},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.7/32", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.8", false},
        {"0.0.0.0/0", "255.1.2.3", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"0.0.0.0/0", "::1.2.3.4", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "::1", true},
        {"::/0", "10.0.0.1", false},
        {"::/64", "10.0.0.1", false},
        {"::/64", "::1", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"[2001:db8::]/32", "2001:db8::5", true},
        {"[::1]", "::1", true},
        {"::1", "::", false},
        {"::/127", "::1", true},
        {"::/127", "::2", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip ip = ip_of(cases[i].ip);
        struct cidr net;
        if (!cidr_parse(cases[i].network, &net))
            fail_msg("%s is no network", cases[i].network);
        if (cidr_contains(&net, &ip) != cases[i].inside)
            fail_msg("%s in %s", cases[i].ip, cases[i].network);
    }
}

static void broken_networks_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/ 8",
        "10.0.0.0/8 ",
        "10.0.0.0/8/8",
        "10.0.0.0/255.0.0.0",
        "10.0.0.1/8",
        "10.128.0.0/8",
        "10/8",
        "10.0.0.0/99999999999999999999",
        "::/129",
        "2001:db8::1/32",
        "2001:db8:8000::/32",
        "::1/0",
        "0.0.0.1/0",
        "::ffff:10.0.0.1/104",
        "[::1/128]",
        "example.com",
        "example.com/8",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8",
    };
    struct cidr net;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cidr_parse(cases[i], &net))
            fail_msg("%s was taken for a network", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_read_and_written_in_one_form),
        cmocka_unit_test(what_is_no_strict_literal_is_refused),
        cmocka_unit_test(loose_reading_sees_what_getaddrinfo_would_see),
        cmocka_unit_test(loopback_is_127_and_colon_colon_1),
        cmocka_unit_test(socket_addresses_go_there_and_back),
        cmocka_unit_test(socket_addresses_are_as_the_kernel_has_them),
        cmocka_unit_test(a_dual_stack_socket_tells_v4_clients_as_v4),
        cmocka_unit_test(a_unix_socket_address_is_no_ip),
        cmocka_unit_test(networks_hold_their_addresses_and_no_others),
        cmocka_unit_test(broken_networks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

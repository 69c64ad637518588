/* PermitRemoteOpen's patterns. */
#include "policy/permit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *pattern;
    const char *host;
    uint16_t port;
    bool permitted;
} cases[] = {
    {"any", "example.com", 80, true},
    {"none", "example.com", 80, false},
    {"example.com:80", "example.com", 80, true},
    {"example.com:80", "example.com", 81, false},
    {"example.com:80", "www.example.com", 80, false},
    {"Example.COM:80", "example.com", 80, true},
    {"example.com:*", "example.com", 65535, true},
    {"example.com:*", "example.org", 80, false},
    {"*:443", "example.com", 443, true},
    {"*:443", "example.com", 80, false},
    {"*:*", "10.0.0.1", 22, true},
    {"10.0.0.1:22", "10.0.0.1", 22, true},
    {"[2001:db8::1]:22", "2001:db8::1", 22, true},
    {"[2001:DB8:0::1]:*", "2001:db8::1", 22, true},
    {"[2001:db8::1]:22", "2001:db8::2", 22, false},
    {"*.example.com:80", "www.example.com", 80, false}, /* no globs */
    {"example.com", "example.com", 80, false},
    {"", "example.com", 80, false},
};

static void a_pattern_permits_what_it_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (permit_allows(&cases[i].pattern, 1, cases[i].host, cases[i].port) != cases[i].permitted)
            fail_msg("%s: %s %u", cases[i].pattern, cases[i].host, cases[i].port);
}

static void one_of_several_is_enough(void **state)
{
    static const char *const patterns[] = {"a.example:1", "b.example:2"};

    (void)state;
    assert_true(permit_allows(patterns, 2, "b.example", 2));
    assert_false(permit_allows(patterns, 2, "a.example", 2));
}

static void without_patterns_all_is_permitted(void **state)
{
    (void)state;
    assert_true(permit_allows(NULL, 0, "example.com", 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_permits_what_it_names),
        cmocka_unit_test(one_of_several_is_enough),
        cmocka_unit_test(without_patterns_all_is_permitted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

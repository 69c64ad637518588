/* Tests of policy/fast_names. */
#include "policy/fast_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MINUTE 60000

static void a_name_is_known_for_ten_minutes(void **state)
{
    static const uint64_t starts[] = {0, 1, 999, UINT64_C(16777215) * 1000, UINT64_C(1) << 50};
    struct fast_names *names = fast_names_new();

    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        uint64_t start = starts[i];
        char name[32];
        snprintf(name, sizeof(name), "n%zu.test", i);
        assert_false(fast_names_has(names, name, start));
        fast_names_add(names, name, start);
        assert_true(fast_names_has(names, name, start));
        assert_true(fast_names_has(names, name, start + 9 * MINUTE));
        assert_false(fast_names_has(names, name, start + 11 * MINUTE));
        fast_names_add(names, name, start + 11 * MINUTE);
        assert_true(fast_names_has(names, name, start + 20 * MINUTE));
    }
    fast_names_free(names);
}

static void the_clock_of_another_thread_may_be_behind(void **state)
{
    struct fast_names *names = fast_names_new();

    (void)state;
    fast_names_add(names, "web.test", 5000);
    assert_true(fast_names_has(names, "web.test", 4999));
    fast_names_free(names);
}

static void names_are_what_dns_takes_them_for(void **state)
{
    struct fast_names *names = fast_names_new();

    (void)state;
    fast_names_add(names, "Web.Test", 0);
    assert_true(fast_names_has(names, "wEB.tEST", 0));
    assert_false(fast_names_has(names, "web.tes", 0));
    assert_false(fast_names_has(names, "eb.test", 0));
    assert_false(fast_names_has(names, "", 0));
    fast_names_free(names);
    fast_names_free(NULL);
}

/* However many there were, the last are there. */
static void many_names_displace_each_other(void **state)
{
    struct fast_names *names = fast_names_new();
    unsigned known = 0;
    char name[32];

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        fast_names_add(names, name, 0);
        assert_true(fast_names_has(names, name, 0));
    }
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        known += fast_names_has(names, name, 0);
    }
    assert_in_range(known, 512, 1024);
    fast_names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_known_for_ten_minutes),
        cmocka_unit_test(the_clock_of_another_thread_may_be_behind),
        cmocka_unit_test(names_are_what_dns_takes_them_for),
        cmocka_unit_test(many_names_displace_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

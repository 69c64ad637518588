/* Tests of policy/targets: names, order, comparison and bounds of what SRV records say. */
#include "policy/targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* after the above */
#include <cmocka.h>

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_191 LABEL_63 "." LABEL_63 "." LABEL_63

static void names_of_hosts_are_taken(void **state)
{
    static const char *const good[] = {
        "a",
        "a.example",
        "A-1.Example",
        "xn--bcher-kva.example",
        "b_1.x",
        "1.example",
        "0a000001.addr.consul",
        "a--b",
        LABEL_63,
        NAME_191 ".b",
        "10.0.0.a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(target_name_wrong(good[i]));
}

static void other_names_are_refused(void **state)
{
    static const char *const bad[] = {
        "",           ".",
        "a.",         ".a",
        "a..b",       "-a",
        "a-",         "a.-b",
        "a.b-",       "a b",
        "a;b",        "a$(b)",
        "a'b",        "a`b",
        "a\\032b",    "a\nb",
        "a\x7f",      "a\xc3\xa9",
        "a/b",        "../etc",
        "a:22",       "[a]",
        "a%b",        "a@b",
        "10.0.0.1",   "1",
        "10.1",       "::1",
        "a.1",        "a,b",
        "*",          "a.*.b",
        LABEL_63 "a", NAME_191 "." LABEL_63,
        "*.example",  "!a",
        "#a",         "a=b",
        "~a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (target_name_wrong(bad[i]) == NULL)
            print_error("%s is taken\n", bad[i]);
        assert_non_null(target_name_wrong(bad[i]));
    }
}

static void what_is_wrong_is_said(void **state)
{
    const struct {
        struct target target;
        const char *wrong;
    } cases[] = {
        {{"a..b", 22, 0, 0}, "a part of it between dots is empty"},
        {{LABEL_63 "a", 22, 0, 0}, "a part of it between dots is longer than 63 characters"},
        {{"a.-b", 22, 0, 0}, "a part of it between dots begins or ends with '-'"},
        {{"a b", 22, 0, 0}, "it has a character that is no letter, digit, '-' or '_'"},
        {{NAME_191 "." LABEL_63, 22, 0, 0}, "it is longer than 253 characters"},
        {{"10.0.0.1", 22, 0, 0}, "it is an address, not a name"},
        {{"", 22, 0, 0}, "it stands beside others"},
        {{"a.example", 0, 0, 0}, "its port is 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(target_wrong(&cases[i].target), cases[i].wrong);
    assert_string_equal(target_name_wrong(""), "it is empty");
}

static void every_byte_is_judged(void **state)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    char name[] = "a?b";

    (void)state;
    for (int c = 1; c < 256; c++) {
        name[1] = (char)c;
        assert_int_equal(target_name_wrong(name) == NULL, strchr(fine, c) != NULL);
    }
}

static void names_of_services(void **state)
{
    static const char *const good[] = {"_ssh._tcp.example.com", "_a._b.c", "_SSH._TCP.X"};
    static const char *const bad[] = {
        "",           "_ssh",    "_ssh._tcp",     "_ssh._tcp.",     "ssh._tcp.x",
        "_ssh.tcp.x", "_ssh..x", "_ssh._tcp.x y", "_ssh._tcp.x:22", "_ssh._tcp..x"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(target_service_wrong(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(target_service_wrong(bad[i]));
}

static void the_root_means_none_where_it_is_alone(void **state)
{
    static const struct target targets[] = {{"", 22, 0, 0}, {"a", 22, 0, 0}};

    (void)state;
    assert_true(targets_say_none(targets, 1));
    assert_false(targets_say_none(targets, 0));
    assert_false(targets_say_none(targets, 2));
    assert_false(targets_say_none(targets + 1, 1));
}

static void assert_order(const struct target *targets, size_t count, const char *wanted)
{
    char text[400] = "";

    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%u/%u/%u",
                 i > 0 ? " " : "", targets[i].name, targets[i].port, targets[i].priority,
                 targets[i].weight);
    assert_string_equal(text, wanted);
}

static void the_order_is_by_priority_and_weight(void **state)
{
    struct target targets[] = {{"low", 22, 20, 65535}, {"light", 22, 10, 1}, {"heavy", 22, 10, 60},
                               {"zero", 22, 10, 0},    {"b", 23, 0, 5},      {"b", 22, 0, 5},
                               {"a", 99, 0, 5}};

    (void)state;
    assert_order(targets, targets_order(targets, 7),
                 "a:99/0/5 b:22/0/5 b:23/0/5 heavy:22/10/60 light:22/10/1 zero:22/10/0 "
                 "low:22/20/65535");
    assert_int_equal(targets_order(targets, 0), 0);
}

static void a_host_is_there_once(void **state)
{
    struct target targets[] = {
        {"A", 22, 10, 1}, {"a", 22, 5, 1}, {"a.", 22, 5, 9}, {"a", 23, 5, 1}};

    (void)state;
    assert_order(targets, targets_order(targets, 4), "a:22/5/9 a:23/5/1");
}

static void there_are_no_more_than_the_most(void **state)
{
    struct target targets[TARGETS_MAX + 10];
    size_t count = TARGETS_MAX + 10;

    (void)state;
    memset(targets, 0, sizeof(targets));
    for (size_t i = 0; i < count; i++) {
        snprintf(targets[i].name, sizeof(targets[i].name), "h%03zu", i);
        targets[i].priority = (uint16_t)(count - i);
    }
    assert_int_equal(targets_order(targets, count), TARGETS_MAX);
    assert_int_equal(targets[0].priority, 1);
    assert_int_equal(targets[TARGETS_MAX - 1].priority, TARGETS_MAX);
}

static void answers_are_compared(void **state)
{
    static const struct target a[] = {{"a", 22, 0, 5}, {"b", 22, 0, 5}};
    static const struct target others[][2] = {
        {{"a", 22, 0, 5}, {"c", 22, 0, 5}}, {{"a", 22, 0, 5}, {"b", 23, 0, 5}},
        {{"a", 22, 1, 5}, {"b", 22, 0, 5}}, {{"a", 22, 0, 5}, {"b", 22, 0, 4}},
        {{"b", 22, 0, 5}, {"a", 22, 0, 5}},
    };

    (void)state;
    assert_true(targets_equal(a, 2, a, 2));
    assert_true(targets_equal(a, 0, NULL, 0));
    assert_false(targets_equal(a, 2, a, 1));
    assert_false(targets_equal(NULL, 0, a, 1));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(targets_equal(a, 2, others[i], 2));
    assert_ptr_equal(targets_find(a, 2, "b", 22), &a[1]);
    assert_null(targets_find(a, 2, "b", 23));
    assert_null(targets_find(a, 1, "b", 22));
    assert_null(targets_find(NULL, 0, "a", 22));
}

static void the_time_to_live_has_bounds(void **state)
{
    static const struct {
        uint32_t ttl;
        uint64_t ms;
    } cases[] = {{0, 5000},          {1, 5000},
                 {4, 5000},          {5, 5000},
                 {6, 6000},          {300, 300000},
                 {3599, 3599000},    {3600, 3600000},
                 {3601, 3600000},    {INT32_MAX, 3600000},
                 {0x80000000, 5000}, {UINT32_MAX, 5000}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(targets_ttl_ms(cases[i].ttl), cases[i].ms);
}

static void shares_are_as_the_weights(void **state)
{
    (void)state;
    assert_int_equal(target_share(60), 3 * target_share(20));
    assert_true(target_share(0) > 0);
    assert_true(target_share(1) >= 100 * target_share(0));
    assert_true(target_share(UINT16_MAX) > target_share(UINT16_MAX - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_hosts_are_taken),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(every_byte_is_judged),
        cmocka_unit_test(names_of_services),
        cmocka_unit_test(the_root_means_none_where_it_is_alone),
        cmocka_unit_test(the_order_is_by_priority_and_weight),
        cmocka_unit_test(a_host_is_there_once),
        cmocka_unit_test(there_are_no_more_than_the_most),
        cmocka_unit_test(answers_are_compared),
        cmocka_unit_test(the_time_to_live_has_bounds),
        cmocka_unit_test(shares_are_as_the_weights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

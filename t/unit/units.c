/* Tests of base/units. */
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND UINT64_C(1000)
#define DAY (24 * 3600 * SECOND)

struct reading {
    const char *text;
    uint64_t value;
};

static void all_read(const struct reading *cases, size_t count,
                     bool (*parse)(const char *text, uint64_t *value))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        if (!parse(cases[i].text, &value))
            fail_msg("\"%s\" was refused", cases[i].text);
        assert_int_equal(value, cases[i].value);
    }
}

static void all_refused(const char *const *cases, size_t count,
                        bool (*parse)(const char *text, uint64_t *value))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        if (parse(cases[i], &value))
            fail_msg("\"%s\" was taken", cases[i]);
    }
}

static void durations_are_read_in_milliseconds(void **state)
{
    static const struct reading cases[] = {
        {"0", 0},
        {"15", 15 * SECOND},
        {"15s", 15 * SECOND},
        {"200ms", 200},
        {"2m", 120 * SECOND},
        {"1h", 3600 * SECOND},
        {"1d", DAY},
        {"1w", 7 * DAY},
        {"1h30m", 5400 * SECOND},
        {"1h30", 3630 * SECOND},
        {"1M30S", 90 * SECOND},
        {"1s500MS", 1500},
        {"1m1ms", 60001},
        {"10m10m", 1200 * SECOND},
        {"007s", 7 * SECOND},
        {"3650d", 3650 * DAY},
    };

    (void)state;
    all_read(cases, COUNT(cases), duration_parse);
}

static void malformed_and_endless_durations_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "s",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1 s",
        "1s ",
        "1y",
        "1sm",
        "1mss",
        "1.5s",
        "1e3",
        "0x10",
        "3650d1ms",
        "3651d",
        "999999999999999999w",
        "18446744073709551616",
        "1s18446744073709551615ms",
    };

    (void)state;
    all_refused(cases, COUNT(cases), duration_parse);
}

static void durations_are_written_in_the_largest_unit(void **state)
{
    static const struct reading cases[] = {
        {"0s", 0},       {"1ms", 1},           {"250ms", 250},        {"1001ms", 1001},
        {"15s", 15000},  {"90s", 90 * SECOND}, {"2m", 120 * SECOND},  {"1h", 3600 * SECOND},
        {"3d", 3 * DAY}, {"2w", 14 * DAY},     {"3650d", 3650 * DAY},
    };
    char text[DURATION_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(duration_format(cases[i].value, text), cases[i].text);
    all_read(cases, COUNT(cases), duration_parse);
}

static void sizes_are_read_in_bytes(void **state)
{
    static const struct reading cases[] = {
        {"0", 0},
        {"64", 64},
        {"64k", 64 << 10},
        {"64K", 64 << 10},
        {"16m", 16 << 20},
        {"1G", 1 << 30},
        {"18446744073709551615", UINT64_MAX},
        {"17179869183g", UINT64_C(17179869183) << 30},
    };

    (void)state;
    all_read(cases, COUNT(cases), size_parse);
}

static void malformed_and_endless_sizes_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "k",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1 k",
        "1kb",
        "1kk",
        "1t",
        "1k1",
        "1.5m",
        "18446744073709551616",
        "17179869184g",
    };

    (void)state;
    all_refused(cases, COUNT(cases), size_parse);
}

static void sizes_are_written_in_the_largest_unit(void **state)
{
    static const struct reading cases[] = {
        {"0", 0},          {"1", 1},        {"1023", 1023},
        {"1k", 1024},      {"1025", 1025},  {"1536k", 1536 << 10},
        {"16m", 16 << 20}, {"1g", 1 << 30}, {"18446744073709551615", UINT64_MAX},
    };
    char text[SIZE_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(size_format(cases[i].value, text), cases[i].text);
    all_read(cases, COUNT(cases), size_parse);
}

static void integers_stay_within_their_bounds(void **state)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        bool valid;
        uint64_t value;
    } cases[] = {
        {"0", 0, 9, true, 0},
        {"5", 5, 5, true, 5},
        {"9", 0, 9, true, 9},
        {"009", 0, 9, true, 9},
        {"10", 0, 9, false, 0},
        {"4", 5, 9, false, 0},
        {"18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", 0, UINT64_MAX, false, 0},
        {"99999999999999999999", 0, UINT64_MAX, false, 0},
        {"", 0, 9, false, 0},
        {"-1", 0, UINT64_MAX, false, 0},
        {"+1", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"1s", 0, 9, false, 0},
        {"0x1", 0, 9, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 0;
        bool valid = integer_parse(cases[i].text, cases[i].min, cases[i].max, &value);
        if (valid != cases[i].valid || value != cases[i].value)
            fail_msg("\"%s\"", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_in_milliseconds),
        cmocka_unit_test(malformed_and_endless_durations_are_refused),
        cmocka_unit_test(durations_are_written_in_the_largest_unit),
        cmocka_unit_test(sizes_are_read_in_bytes),
        cmocka_unit_test(malformed_and_endless_sizes_are_refused),
        cmocka_unit_test(sizes_are_written_in_the_largest_unit),
        cmocka_unit_test(integers_stay_within_their_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

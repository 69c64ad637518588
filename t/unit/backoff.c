/* Tests of base/backoff. */
#include "base/backoff.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static void waits_double_up_to_the_longest(void **state)
{
    static const struct backoff_bounds bounds = {250, 30000, 0};
    static const uint64_t waits[] = {250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};

    (void)state;
    for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
        assert_int_equal(backoff_wait(&bounds, i, UINT32_MAX), waits[i]);
    assert_int_equal(backoff_wait(&bounds, UINT_MAX, 1), 30000);
}

static void a_longest_wait_that_could_not_be_doubled_is_kept(void **state)
{
    static const struct backoff_bounds bounds = {1, UINT64_MAX / 2, 0};

    (void)state;
    assert_int_equal(backoff_wait(&bounds, UINT_MAX, 0), UINT64_MAX / 2);
}

/* Both ends of the range are reached, and nothing beyond them. */
static void chance_takes_its_part(void **state)
{
    static const struct {
        struct backoff_bounds bounds;
        uint64_t shortest;
    } cases[] = {
        {{1000, 1000, 50}, 500}, {{1000, 1000, 25}, 750}, {{1000, 1000, 100}, 0},
        {{1000, 1000, 0}, 1000}, {{1, 1, 50}, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct backoff_bounds *bounds = &cases[i].bounds;
        uint64_t least = UINT64_MAX;
        uint64_t most = 0;
        for (uint32_t random = 0; random < 5000; random++) {
            uint64_t wait = backoff_wait(bounds, 3, random);
            least = wait < least ? wait : least;
            most = wait > most ? wait : most;
        }
        assert_int_equal(least, cases[i].shortest);
        assert_int_equal(most, bounds->longest_ms);
    }
}

static void random_numbers_differ(void **state)
{
    uint32_t first = backoff_random();
    bool differs = false;

    (void)state;
    for (int i = 0; i < 10; i++)
        differs = differs || backoff_random() != first;
    assert_true(differs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_the_longest),
        cmocka_unit_test(a_longest_wait_that_could_not_be_doubled_is_kept),
        cmocka_unit_test(chance_takes_its_part),
        cmocka_unit_test(random_numbers_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

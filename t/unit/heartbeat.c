/* Threads that stand still are noticed, and those that are only late are not. */
#include "shared/heartbeat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_thread_that_answers_is_asked_at_each_tick(void **state)
{
    struct heartbeat h = {0};

    (void)state;
    for (uint64_t now = 1000; now < 60000; now += 1000) {
        assert_true(heartbeat_tick(&h, 0, now));
        heartbeat_answer(&h);
        assert_false(h.stalled);
    }
}

static void after_five_ticks_without_an_answer_it_stands_still(void **state)
{
    struct heartbeat h = {0};
    unsigned ticks = 0;

    (void)state;
    assert_true(heartbeat_tick(&h, 0, 1000));
    while (!h.stalled) {
        ticks++;
        assert_false(heartbeat_tick(&h, 0, 1000 + 1000 * ticks)); /* no questions pile up */
    }
    assert_int_equal(ticks, 5);
    assert_false(heartbeat_tick(&h, 0, 20000));
    heartbeat_answer(&h);
    assert_true(heartbeat_tick(&h, 0, 21000));
    assert_false(h.stalled);
}

/* All of the process was stopped: the main thread's next tick comes late, and says nothing. */
static void a_late_tick_is_one_tick(void **state)
{
    struct heartbeat h = {0};

    (void)state;
    assert_true(heartbeat_tick(&h, 0, 1000));
    assert_false(heartbeat_tick(&h, 0, 3600000));
    assert_false(h.stalled);
    heartbeat_answer(&h);
    assert_true(heartbeat_tick(&h, 0, 3601000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_answers_is_asked_at_each_tick),
        cmocka_unit_test(after_five_ticks_without_an_answer_it_stands_still),
        cmocka_unit_test(a_late_tick_is_one_tick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

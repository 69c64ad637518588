/* Tests of base/quota. */
#include "base/quota.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_was_given_back_can_be_taken_again(void **state)
{
    struct quota *quota = quota_new(2);
    struct quota *nothing = quota_new(0);

    (void)state;
    assert_false(quota_take(nothing));
    assert_true(quota_take(quota));
    assert_true(quota_take(quota));
    assert_false(quota_take(quota));
    quota_give(quota);
    assert_true(quota_take(quota));
    assert_false(quota_take(quota));
    quota_unref(quota); /* what was taken outlives the owner */
    quota_give(quota);
    quota_give(quota);
    quota_unref(nothing);
    quota_unref(NULL);
    quota_give(NULL);
}

#define THREADS 4
#define TURNS 20000
#define MAX 3

static atomic_uint held, most;

static void *take_and_give(void *quota)
{
    for (int i = 0; i < TURNS; i++) {
        unsigned now, before;
        if (!quota_take(quota))
            continue;
        now = atomic_fetch_add(&held, 1) + 1;
        before = atomic_load(&most);
        while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
            continue;
        atomic_fetch_sub(&held, 1);
        quota_give(quota);
    }
    quota_unref(quota);
    return NULL;
}

static void threads_never_have_more(void **state)
{
    struct quota *quota = quota_new(MAX);
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, quota_ref(quota)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(atomic_load(&most), 1, MAX);
    for (int i = 0; i < MAX; i++)
        assert_true(quota_take(quota));
    assert_false(quota_take(quota));
    for (int i = 0; i < MAX; i++)
        quota_give(quota);
    quota_unref(quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_given_back_can_be_taken_again),
        cmocka_unit_test(threads_never_have_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of io/loop: work for later and deadlines. */
#include "io_test.h"

#include "base/mem.h"

#include <stdio.h>

/* What happened, as letters in order. */
static char story[256];

static void tell(char letter)
{
    size_t length = strlen(story);

    assert_true(length + 1 < sizeof story);
    story[length] = letter;
    story[length + 1] = '\0';
}

static struct loop *loop;

static int set_up(void **state)
{
    (void)state;
    story[0] = '\0';
    loop = loop_new();
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* ---- work for later */

struct task {
    struct later later;
    char letter;
    struct task *other;
    int again;
};

static void tell_task(struct later *later)
{
    tell(container_of(later, struct task, later)->letter);
}

static void work_for_later_runs_once_in_the_order_it_was_queued(void **state)
{
    struct task a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};

    (void)state;
    later_post(loop, &b.later, tell_task);
    later_post(loop, &a.later, tell_task);
    later_post(loop, &b.later, tell_task);
    later_post(loop, &c.later, tell_task);
    assert_string_equal(story, "");
    run_now(loop);
    assert_string_equal(story, "bac");
}

static void cancelled_work_does_not_run(void **state)
{
    struct task a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};

    (void)state;
    later_cancel(loop, &a.later);
    later_post(loop, &a.later, tell_task);
    later_post(loop, &b.later, tell_task);
    later_post(loop, &c.later, tell_task);
    later_cancel(loop, &c.later);
    later_cancel(loop, &a.later);
    run_now(loop);
    assert_string_equal(story, "b");
    later_cancel(loop, &b.later);
}

static void cancel_other(struct later *later)
{
    struct task *task = container_of(later, struct task, later);

    tell(task->letter);
    later_cancel(loop, &task->other->later);
}

static void work_can_cancel_work_of_the_same_turn(void **state)
{
    struct task b = {.letter = 'b'}, c = {.letter = 'c'};
    struct task a = {.letter = 'a', .other = &b};

    (void)state;
    later_post(loop, &a.later, cancel_other);
    later_post(loop, &b.later, tell_task);
    later_post(loop, &c.later, tell_task);
    run_now(loop);
    assert_string_equal(story, "ac");
}

static void post_again(struct later *later)
{
    struct task *task = container_of(later, struct task, later);

    tell(task->letter);
    if (task->again-- > 0)
        later_post(loop, later, post_again);
}

static void tell_turn(uv_prepare_t *prepare)
{
    (void)prepare;
    tell('|');
}

static void work_queued_meanwhile_waits_for_the_next_turn(void **state)
{
    struct task a = {.letter = 'a', .again = 2}, b = {.letter = 'b', .again = 1};
    uv_prepare_t prepare;

    (void)state;
    uv_prepare_init(loop_uv(loop), &prepare);
    uv_prepare_start(&prepare, tell_turn);
    later_post(loop, &a.later, post_again);
    later_post(loop, &b.later, post_again);
    run_now(loop);
    assert_string_equal(story, "|ab|ab|a|");
    uv_close((uv_handle_t *)&prepare, NULL);
    run_now(loop);
}

static void free_task(struct later *later)
{
    tell('f');
    free(container_of(later, struct task, later));
}

static void work_may_free_itself(void **state)
{
    struct task *task = mem_zalloc(sizeof *task);

    (void)state;
    later_post(loop, &task->later, free_task);
    run_now(loop);
    assert_string_equal(story, "f");
}

static void stop(struct later *later)
{
    (void)later;
    tell('s');
    loop_stop(loop);
}

static void queued_work_does_not_wait_for_input(void **state)
{
    struct alarm far = {0};
    struct task a = {.letter = 'a', .again = 5}, b = {0};
    uint64_t before = loop_now(loop);

    (void)state;
    deadline_arm(loop, &far.deadline, PATIENCE_MS, alarm_rings);
    later_post(loop, &a.later, post_again);
    later_post(loop, &b.later, stop);
    loop_run(loop);
    assert_string_equal(story, "as");
    while (a.later.queued)
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    assert_string_equal(story, "asaaaaa");
    assert_true(loop_now(loop) - before < PATIENCE_MS / 2);
    deadline_cancel(&far.deadline);
}

/* ---- deadlines */

struct timed {
    struct deadline deadline;
    char letter;
    uint64_t expected;
    struct timed *other;
};

static void tell_timed(struct deadline *deadline)
{
    struct timed *timed = container_of(deadline, struct timed, deadline);

    assert_null(deadline->queue);
    assert_true(loop_now(loop) >= timed->expected);
    tell(timed->letter);
}

static void arm(struct timed *timed, uint64_t milliseconds, void (*expired)(struct deadline *))
{
    timed->expected = loop_now(loop) + milliseconds;
    deadline_arm(loop, &timed->deadline, milliseconds, expired);
}

static void deadlines_expire_in_order_and_never_early(void **state)
{
    struct timed a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'}, d = {.letter = 'd'};

    (void)state;
    arm(&d, 60, tell_timed);
    arm(&b, 20, tell_timed);
    arm(&c, 20, tell_timed);
    arm(&a, 0, tell_timed);
    run_for(loop, 100);
    assert_string_equal(story, "abcd");
}

static void a_deadline_armed_anew_starts_anew(void **state)
{
    struct timed a = {.letter = 'a'}, b = {.letter = 'b'};

    (void)state;
    arm(&a, 20, tell_timed);
    arm(&b, 20, tell_timed);
    arm(&a, 20, tell_timed);
    run_for(loop, 50);
    assert_string_equal(story, "ba");
    arm(&a, 10, tell_timed);
    arm(&b, 20, tell_timed);
    arm(&a, 30, tell_timed);
    run_for(loop, 60);
    assert_string_equal(story, "baba");
}

static void a_cancelled_deadline_does_not_expire(void **state)
{
    struct timed a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};

    (void)state;
    deadline_cancel(&a.deadline);
    arm(&a, 10, tell_timed);
    arm(&b, 10, tell_timed);
    arm(&c, 30, tell_timed);
    deadline_cancel(&a.deadline);
    deadline_cancel(&c.deadline);
    run_for(loop, 60);
    assert_string_equal(story, "b");
    deadline_cancel(&b.deadline);
}

static void cancel_other_deadline(struct deadline *deadline)
{
    struct timed *timed = container_of(deadline, struct timed, deadline);

    tell(timed->letter);
    deadline_cancel(&timed->other->deadline);
}

static void a_deadline_can_cancel_one_that_is_due_too(void **state)
{
    struct timed b = {.letter = 'b'}, c = {.letter = 'c'};
    struct timed a = {.letter = 'a', .other = &b};

    (void)state;
    arm(&a, 10, cancel_other_deadline);
    arm(&b, 10, tell_timed);
    arm(&c, 10, tell_timed);
    run_for(loop, 40);
    assert_string_equal(story, "ac");
}

static void arm_both(struct deadline *deadline)
{
    struct timed *timed = container_of(deadline, struct timed, deadline);

    tell(timed->letter);
    arm(timed, 10, tell_timed);
    arm(timed->other, 1, tell_timed);
}

static void a_deadline_can_arm_itself_and_others(void **state)
{
    struct timed b = {.letter = 'b'};
    struct timed a = {.letter = 'a', .other = &b};

    (void)state;
    arm(&a, 10, arm_both);
    run_for(loop, 60);
    assert_string_equal(story, "aba");
}

static void free_timed(struct deadline *deadline)
{
    tell('f');
    free(container_of(deadline, struct timed, deadline));
}

static void a_deadline_may_free_what_it_is_in(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        arm(mem_zalloc(sizeof(struct timed)), 5, free_timed);
    run_for(loop, 30);
    assert_string_equal(story, "fff");
}

static void arm_for_ever(struct deadline *deadline)
{
    deadline_arm(loop, deadline, 0, arm_for_ever);
}

static void a_deadline_that_is_armed_for_no_time_does_not_hold_up_the_loop(void **state)
{
    struct timed a = {0};

    (void)state;
    arm(&a, 0, arm_for_ever);
    assert_true(run_for(loop, 20) > 1);
    deadline_cancel(&a.deadline);
}

static void many_durations_keep_their_order(void **state)
{
    struct timed timed[26] = {0};

    (void)state;
    for (int i = 25; i >= 0; i--) {
        timed[i].letter = (char)('a' + i);
        arm(&timed[i], 5 + 2 * (uint64_t)i, tell_timed);
    }
    run_for(loop, 100);
    assert_string_equal(story, "abcdefghijklmnopqrstuvwxyz");
}

/* ---- the loop */

static void stop_at(struct deadline *deadline)
{
    (void)deadline;
    tell('s');
    loop_stop(loop);
}

static void a_loop_runs_until_it_is_stopped(void **state)
{
    struct timed a = {0};
    struct task b = {0};

    (void)state;
    deadline_arm(loop, &a.deadline, 10, stop_at);
    loop_run(loop);
    assert_string_equal(story, "s");
    later_post(loop, &b.later, stop);
    loop_run(loop);
    assert_string_equal(story, "ss");
}

static void tell_closed(uv_handle_t *handle)
{
    tell('c');
    free(handle);
}

static void freeing_a_loop_waits_for_handles_that_close(void **state)
{
    struct loop *other = loop_new();
    uv_timer_t *timer = mem_zalloc(sizeof *timer);

    (void)state;
    assert_non_null(other);
    uv_timer_init(loop_uv(other), timer);
    uv_close((uv_handle_t *)timer, tell_closed);
    loop_free(other);
    assert_string_equal(story, "c");
    loop_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(work_for_later_runs_once_in_the_order_it_was_queued),
        TEST(cancelled_work_does_not_run),
        TEST(work_can_cancel_work_of_the_same_turn),
        TEST(work_queued_meanwhile_waits_for_the_next_turn),
        TEST(work_may_free_itself),
        TEST(queued_work_does_not_wait_for_input),
        TEST(deadlines_expire_in_order_and_never_early),
        TEST(a_deadline_armed_anew_starts_anew),
        TEST(a_cancelled_deadline_does_not_expire),
        TEST(a_deadline_can_cancel_one_that_is_due_too),
        TEST(a_deadline_can_arm_itself_and_others),
        TEST(a_deadline_may_free_what_it_is_in),
        TEST(a_deadline_that_is_armed_for_no_time_does_not_hold_up_the_loop),
        TEST(many_durations_keep_their_order),
        TEST(a_loop_runs_until_it_is_stopped),
        TEST(freeing_a_loop_waits_for_handles_that_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

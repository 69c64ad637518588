/* Tests of io/relay over scripted endpoints: how it ends. */
#include "relay_scene.h"

static void the_end_of_data_one_way_leaves_the_other_way_open(void **state)
{
    struct scene *scene = *state;

    start(scene, ENDLESS, "");
    ends(&scene->a);
    assert_true(scene->b.got_eof);
    assert_int_equal(says(&scene->b, "still here"), 10);
    assert_got(&scene->a, "still here");
    run_now(scene->loop);
    assert_int_equal(scene->a.end, OPEN);
    assert_false(scene->a.got_eof);
    ends(&scene->b);
    assert_true(scene->a.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");
}

/* A shell's channel: its exit status comes behind the end of data both ways. */
static void the_close_of_b_can_be_waited_for(void **state)
{
    struct scene *scene = *state;

    prepare(scene, ENDLESS);
    scene->until_b_closed = true;
    join(scene, "", "");
    ends(&scene->a);
    ends(&scene->b);
    run_now(scene->loop);
    assert_true(scene->a.got_eof);
    assert_true(scene->b.got_eof);
    assert_int_equal(scene->a.end, OPEN);
    assert_int_equal(scene->b.end, OPEN);
    goes(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
}

static void a_close_of_a_is_not_the_close_of_b(void **state)
{
    struct scene *scene = *state;

    prepare(scene, ENDLESS);
    scene->until_b_closed = true;
    join(scene, "", "");
    goes(&scene->a);
    ends(&scene->b);
    run_now(scene->loop);
    assert_int_equal(scene->b.end, OPEN);
    goes(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
}

static void the_end_of_data_waits_for_what_is_held(void **state)
{
    struct scene *scene = *state;

    start(scene, 2, "");
    scene->a.asks_room = false;
    says(&scene->a, "hello");
    ends(&scene->a);
    ends(&scene->b);
    assert_true(scene->a.got_eof);
    assert_false(scene->b.got_eof);
    takes(&scene->b, 2);
    assert_false(scene->b.got_eof);
    assert_int_equal(scene->b.end, OPEN);
    takes(&scene->b, 1);
    assert_got(&scene->b, "hello");
    assert_true(scene->b.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");
}

static void a_source_that_has_ended_is_not_resumed(void **state)
{
    struct scene *scene = *state;
    unsigned resumes;

    start(scene, 2, "");
    scene->a.asks_room = false;
    says(&scene->a, "hello");
    ends(&scene->a);
    resumes = scene->a.resumes;
    takes(&scene->b, ENDLESS);
    assert_true(scene->b.got_eof);
    assert_int_equal(scene->a.resumes, resumes);
    relay_abort(scene->relay);
}

/* An owner that has heard the end before the relay. */
struct former_owner {
    int eofs, closes;
};

static void former_on_eof(void *owner)
{
    ((struct former_owner *)owner)->eofs++;
}

static void former_on_closed(void *owner)
{
    ((struct former_owner *)owner)->closes++;
}

static const struct endpoint_events former_events = {
    .eof = former_on_eof,
    .closed = former_on_closed,
};

static void hears_the_end(struct far_side *far, void (*end)(struct far_side *far))
{
    struct former_owner former = {0};

    endpoint_own(far->endpoint, &former_events, &former);
    endpoint_resume(far->endpoint);
    end(far);
    assert_int_equal(former.eofs + former.closes, 1);
}

static void an_end_that_a_former_owner_heard_follows_the_early_bytes(void **state)
{
    struct scene *scene = *state;

    prepare(scene, 3);
    hears_the_end(&scene->a, ends);
    join(scene, "early", "");
    tells(&scene->a); /* (It is paused, and owes nothing yet.) */
    assert_false(scene->b.got_eof);
    takes(&scene->b, ENDLESS);
    assert_got(&scene->b, "early");
    assert_false(scene->b.got_eof);
    tells(&scene->a);
    assert_true(scene->b.got_eof);
    assert_int_equal(says(&scene->b, "good day"), 8);
    assert_got(&scene->a, "good day");
    ends(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
}

static void ends_that_former_owners_heard_of_both_sides_end_the_relay(void **state)
{
    struct scene *scene = *state;

    prepare(scene, ENDLESS);
    hears_the_end(&scene->a, ends);
    hears_the_end(&scene->b, ends);
    join(scene, "hello", "good day");
    tells(&scene->a);
    tells(&scene->b);
    assert_got(&scene->b, "hello");
    assert_got(&scene->a, "good day");
    assert_true(scene->a.got_eof && scene->b.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");
}

static void a_side_that_had_gone_before_gets_nothing_and_the_other_all(void **state)
{
    struct scene *scene = *state;

    prepare(scene, 3);
    hears_the_end(&scene->a, goes);
    join(scene, "early", "");
    takes(&scene->b, 1);
    assert_got(&scene->b, "earl");
    takes(&scene->b, ENDLESS);
    tells(&scene->a);
    assert_got(&scene->b, "early");
    assert_true(scene->b.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 5);
}

static void when_one_side_has_gone_the_other_gets_all_and_is_closed(void **state)
{
    struct scene *scene = *state;

    start(scene, ENDLESS, "");
    says(&scene->a, "bye");
    goes(&scene->a);
    assert_got(&scene->b, "bye");
    assert_true(scene->b.got_eof);
    assert_false(scene->a.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");

    start(scene, ENDLESS, "");
    ends(&scene->b);
    goes(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
}

static void what_is_said_to_a_side_that_has_gone_is_dropped(void **state)
{
    struct scene *scene = *state;

    start(scene, 1, "");
    scene->a.asks_room = false;
    scene->a.capacity = 2;
    says(&scene->a, "bye");
    says(&scene->b, "to be dropped");
    says(&scene->b, "more");
    assert_false(is_flowing(&scene->b));
    goes(&scene->a);
    assert_true(is_flowing(&scene->b));
    assert_int_equal(says(&scene->b, "this too"), 8);
    assert_false(scene->b.got_eof);
    takes(&scene->b, 2);
    assert_got(&scene->b, "bye");
    assert_got(&scene->a, "to");
    assert_true(scene->b.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[1], 2);
}

static void when_both_sides_have_gone_it_is_over_whatever_is_held(void **state)
{
    struct scene *scene = *state;

    start(scene, 1, "");
    scene->a.asks_room = false;
    says(&scene->a, "held");
    goes(&scene->a);
    assert_int_equal(scene->b.end, OPEN);
    goes(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 1);
}

static void the_end_of_a_side_whose_peer_has_gone_is_heard_too(void **state)
{
    struct scene *scene = *state;

    start(scene, 1, "");
    scene->a.asks_room = false;
    says(&scene->a, "held");
    goes(&scene->a);
    ends(&scene->b);
    assert_int_equal(scene->b.end, OPEN);
    takes(&scene->b, ENDLESS);
    assert_got(&scene->b, "held");
    assert_ended(scene, CLOSED, -1, "closed");
}

static void a_failure_of_either_side_aborts_both_at_once(void **state)
{
    struct scene *scene = *state;

    for (int side = 0; side < 2; side++) {
        for (int when = 0; when < 4; when++) {
            start(scene, 1, when == 0 ? "early" : "");
            if (when == 1)
                says(&scene->a, "some");
            if (when == 2)
                ends(&scene->a);
            if (when == 3)
                ends(&scene->b);
            breaks(side == 0 ? &scene->a : &scene->b, "connection reset by peer");
            assert_ended(scene, ABORTED, side, "connection reset by peer");
        }
    }
}

static void an_aborted_relay_cuts_both_sides_and_says_nothing(void **state)
{
    struct scene *scene = *state;

    start(scene, 2, "held");
    relay_abort(scene->relay);
    assert_int_equal(scene->a.end, ABORTED);
    assert_int_equal(scene->b.end, ABORTED);
    run_now(scene->loop);
    assert_string_equal(scene->reason, "");
}

static void a_relay_can_be_aborted_between_its_end_and_being_done(void **state)
{
    struct scene *scene = *state;

    start(scene, ENDLESS, "");
    ends(&scene->a);
    ends(&scene->b);
    relay_abort(scene->relay);
    assert_int_equal(scene->a.end, CLOSED);
    run_now(scene->loop);
    assert_string_equal(scene->reason, "");

    start(scene, ENDLESS, "");
    breaks(&scene->b, "cut");
    relay_abort(scene->relay);
    run_now(scene->loop);
    assert_string_equal(scene->reason, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_end_of_data_one_way_leaves_the_other_way_open),
        TEST(the_close_of_b_can_be_waited_for),
        TEST(a_close_of_a_is_not_the_close_of_b),
        TEST(the_end_of_data_waits_for_what_is_held),
        TEST(a_source_that_has_ended_is_not_resumed),
        TEST(an_end_that_a_former_owner_heard_follows_the_early_bytes),
        TEST(ends_that_former_owners_heard_of_both_sides_end_the_relay),
        TEST(a_side_that_had_gone_before_gets_nothing_and_the_other_all),
        TEST(when_one_side_has_gone_the_other_gets_all_and_is_closed),
        TEST(what_is_said_to_a_side_that_has_gone_is_dropped),
        TEST(when_both_sides_have_gone_it_is_over_whatever_is_held),
        TEST(the_end_of_a_side_whose_peer_has_gone_is_heard_too),
        TEST(a_failure_of_either_side_aborts_both_at_once),
        TEST(an_aborted_relay_cuts_both_sides_and_says_nothing),
        TEST(a_relay_can_be_aborted_between_its_end_and_being_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

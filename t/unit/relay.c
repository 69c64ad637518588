/* Tests of io/relay over scripted endpoints. */
#include "io/relay.h"
#include "fake_endpoint.h"

#include "base/mem.h"

#include <stdio.h>

#define ENDLESS ((size_t)1 << 40)

/* ---- a relay between two of them */

struct scene {
    struct loop *loop;
    struct far_side a, b;
    struct relay *relay; /* NULL: done */
    struct relay_result result;
    char reason[64];
};

static void done(void *arg, const struct relay_result *result)
{
    struct scene *scene = arg;

    assert_non_null(scene->relay);
    assert_null(scene->a.endpoint);
    assert_null(scene->b.endpoint);
    scene->relay = NULL;
    scene->result = *result;
    snprintf(scene->reason, sizeof scene->reason, "%s", result->reason);
}

/* `capacity` is b's; a takes everything. */
static void start(struct scene *scene, size_t capacity, const char *early, bool a_eof)
{
    struct buffer to_b = {0};

    *scene = (struct scene){.loop = scene->loop};
    scene->a = (struct far_side){.capacity = ENDLESS, .asks_room = true};
    scene->b = (struct far_side){.capacity = capacity, .asks_room = true};
    buffer_append(&to_b, early, strlen(early));
    scene->relay = relay_new(scene->loop, &(struct relay_start){
                                              .a = fake_new(&scene->a),
                                              .b = fake_new(&scene->b),
                                              .to_b = &to_b,
                                              .a_eof = a_eof,
                                              .done = done,
                                              .arg = scene,
                                          });
    buffer_clear(&to_b);
}

static void assert_got(const struct far_side *far, const char *text)
{
    assert_int_equal(far->got_length, strlen(text));
    assert_memory_equal(far->got, text, far->got_length);
}

/* Both ends are closed now, and `done` says this once the loop has turned. */
static void assert_ended(struct scene *scene, enum end end, int failed, const char *reason)
{
    assert_int_equal(scene->a.end, end);
    assert_int_equal(scene->b.end, end);
    assert_non_null(scene->relay);
    run_now(scene->loop);
    assert_null(scene->relay);
    assert_int_equal(scene->result.failed, failed);
    assert_string_equal(scene->reason, reason);
}

static int set_up(void **state)
{
    struct scene *scene = mem_zalloc(sizeof *scene);

    scene->loop = loop_new();
    in_data = false;
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    loop_free(scene->loop);
    free(scene);
    return 0;
}

/* ---- bytes */

static void bytes_go_both_ways_at_once(void **state)
{
    struct scene *scene = *state;
    uint64_t bytes[2];

    start(scene, ENDLESS, "", false);
    assert_true(scene->a.flowing && scene->b.flowing);
    assert_int_equal(says(&scene->a, "hello"), 5);
    assert_int_equal(says(&scene->b, "good day"), 8);
    assert_got(&scene->b, "hello");
    assert_got(&scene->a, "good day");
    relay_bytes(scene->relay, bytes);
    assert_int_equal(bytes[0], 5);
    assert_int_equal(bytes[1], 8);
    ends(&scene->a);
    ends(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 5);
    assert_int_equal(scene->result.bytes[1], 8);
}

static void what_is_not_taken_is_held_and_more_is_refused_meanwhile(void **state)
{
    struct scene *scene = *state;

    start(scene, 3, "", false);
    scene->a.asks_room = false;
    assert_int_equal(says(&scene->a, "hello"), 5);
    assert_got(&scene->b, "hel");
    assert_int_equal(says(&scene->a, " world"), 0);
    takes(&scene->b, 1);
    assert_got(&scene->b, "hell");
    assert_false(scene->a.flowing);
    takes(&scene->b, 3);
    assert_got(&scene->b, "hello");
    assert_true(scene->a.flowing);
    assert_int_equal(says(&scene->a, " world"), 6);
    takes(&scene->b, ENDLESS);
    assert_got(&scene->b, "hello world");
    relay_abort(scene->relay);
}

static void a_source_that_asks_is_told_what_the_other_side_takes(void **state)
{
    struct scene *scene = *state;

    start(scene, 3, "", false);
    assert_int_equal(says(&scene->a, "hello"), 3);
    assert_int_equal(says(&scene->a, "lo"), 0);
    assert_false(scene->a.flowing);
    takes(&scene->b, 1);
    assert_true(scene->a.flowing);
    assert_int_equal(says(&scene->a, "lo"), 1);
    assert_got(&scene->b, "hell");
    relay_abort(scene->relay);
}

static void early_bytes_go_first_and_are_counted(void **state)
{
    struct scene *scene = *state;

    start(scene, 4, "early", false);
    assert_got(&scene->b, "earl");
    assert_false(scene->a.flowing);
    assert_true(scene->b.flowing);
    takes(&scene->b, ENDLESS);
    assert_true(scene->a.flowing);
    says(&scene->a, " bird");
    assert_got(&scene->b, "early bird");
    ends(&scene->b);
    ends(&scene->a);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 10);
}

/* Bytes of one direction: given in steps of any size, taken in steps of any size. */
struct drip {
    struct far_side *from, *to;
    size_t sent;
    size_t in, out; /* the steps */
    bool ended;
};

static const char poem[] = "The quality of mercy is not strain'd, it droppeth as the gentle rain "
                           "from heaven upon the place beneath";
#define POEM_LENGTH (sizeof poem - 1)

static void drip_in(struct drip *drip)
{
    size_t left = POEM_LENGTH - drip->sent;

    if (drip->ended)
        return;
    drip->sent += sends(drip->from, poem + drip->sent, drip->in < left ? drip->in : left);
    assert_true(drip->to->got_length <= drip->sent);
    if (drip->sent == POEM_LENGTH) {
        drip->ended = true;
        ends(drip->from);
    }
}

static void drip_out(struct drip *drip)
{
    if (drip->to->endpoint != NULL)
        takes(drip->to, drip->out);
}

/* A small generator (Knuth's MMIX), so that every run sees the same. */
static unsigned chance(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33);
}

static void drip_all(struct scene *scene, struct drip drips[static 2], uint64_t seed)
{
    while (scene->a.endpoint != NULL) {
        struct drip *drip = &drips[chance(&seed) % 2];

        if (chance(&seed) % 4 == 0)
            run_now(scene->loop);
        if (chance(&seed) % 2 == 0)
            drip_in(drip);
        else
            drip_out(drip);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(drips[i].ended);
        assert_true(drips[i].to->got_eof);
        assert_got(drips[i].to, poem);
    }
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], POEM_LENGTH);
    assert_int_equal(scene->result.bytes[1], POEM_LENGTH);
}

/* Between a, which takes so much now and has that reply still to come, and b. */
static void start_with_reply(struct scene *scene, size_t capacity, const char *reply)
{
    struct buffer to_a = {0};

    *scene = (struct scene){.loop = scene->loop};
    scene->a = (struct far_side){.capacity = capacity, .asks_room = true};
    scene->b = (struct far_side){.capacity = ENDLESS};
    buffer_append(&to_a, reply, strlen(reply));
    scene->relay = relay_new(scene->loop, &(struct relay_start){
                                              .a = fake_new(&scene->a),
                                              .b = fake_new(&scene->b),
                                              .to_a = &to_a,
                                              .done = done,
                                              .arg = scene,
                                          });
    buffer_clear(&to_a);
}

static void the_rest_of_a_reply_goes_before_all_else_and_is_not_counted(void **state)
{
    struct scene *scene = *state;
    uint64_t bytes[2];

    start_with_reply(scene, 2, "yes!");
    assert_got(&scene->a, "ye");
    assert_false(scene->b.flowing);
    assert_int_equal(says(&scene->b, "hello"), 0);
    takes(&scene->a, 1);
    assert_got(&scene->a, "yes");
    relay_bytes(scene->relay, bytes);
    assert_int_equal(bytes[1], 0);
    takes(&scene->a, 3);
    assert_true(scene->b.flowing);
    assert_int_equal(says(&scene->b, "hello"), 5);
    assert_got(&scene->a, "yes!he");
    relay_bytes(scene->relay, bytes);
    assert_int_equal(bytes[1], 2);
    takes(&scene->a, ENDLESS);
    assert_got(&scene->a, "yes!hello");
    ends(&scene->a);
    ends(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 0);
    assert_int_equal(scene->result.bytes[1], 5);
}

static void the_rest_of_a_reply_is_dropped_with_who_should_have_it(void **state)
{
    struct scene *scene = *state;

    start_with_reply(scene, 0, "yes!");
    goes(&scene->a);
    assert_true(scene->b.got_eof);
    assert_int_equal(scene->a.got_length, 0);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[1], 0);
}

static void all_bytes_arrive_in_order_however_they_drip(void **state)
{
    static const size_t steps[] = {1, 2, 3, 7, 50, 1000};
    const size_t count = sizeof steps / sizeof *steps;
    struct scene *scene = *state;

    for (size_t run = 0; run < count * count * 2 * 2 * 3; run++) {
        size_t in = steps[run % count], out = steps[run / count % count];
        bool asks_room = run / count / count % 2 == 0;
        size_t early = run / count / count / 2 % 2 == 0 ? 0 : 10;
        char first[16] = "";

        memcpy(first, poem, early);
        start(scene, 0, first, false);
        scene->a.capacity = 0;
        scene->a.asks_room = scene->b.asks_room = asks_room;
        drip_all(scene,
                 (struct drip[2]){{&scene->a, &scene->b, early, in, out, false},
                                  {&scene->b, &scene->a, 0, out, in, false}},
                 run);
    }
}

/* ---- ends */

static void the_end_of_data_one_way_leaves_the_other_way_open(void **state)
{
    struct scene *scene = *state;

    start(scene, ENDLESS, "", false);
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

static void the_end_of_data_waits_for_what_is_held(void **state)
{
    struct scene *scene = *state;

    start(scene, 2, "", false);
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

    start(scene, 2, "", false);
    scene->a.asks_room = false;
    says(&scene->a, "hello");
    says(&scene->a, "refused");
    ends(&scene->a);
    takes(&scene->b, ENDLESS);
    assert_false(scene->a.flowing);
    relay_abort(scene->relay);
}

static void an_end_seen_before_the_start_follows_the_early_bytes(void **state)
{
    struct scene *scene = *state;

    start(scene, 3, "early", true);
    assert_false(scene->a.flowing);
    assert_false(scene->b.got_eof);
    takes(&scene->b, ENDLESS);
    assert_got(&scene->b, "early");
    assert_true(scene->b.got_eof);
    ends(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");

    start(scene, ENDLESS, "", true);
    assert_true(scene->b.got_eof);
    relay_abort(scene->relay);
}

static void when_one_side_has_gone_the_other_gets_all_and_is_closed(void **state)
{
    struct scene *scene = *state;

    start(scene, ENDLESS, "", false);
    says(&scene->a, "bye");
    goes(&scene->a);
    assert_got(&scene->b, "bye");
    assert_true(scene->b.got_eof);
    assert_false(scene->a.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");

    start(scene, ENDLESS, "", false);
    ends(&scene->b);
    goes(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
}

static void what_is_said_to_a_side_that_has_gone_is_dropped(void **state)
{
    struct scene *scene = *state;

    start(scene, 1, "", false);
    scene->a.asks_room = false;
    scene->a.capacity = 2;
    says(&scene->a, "bye");
    says(&scene->b, "to be dropped");
    says(&scene->b, "more");
    assert_false(scene->b.flowing);
    goes(&scene->a);
    assert_true(scene->b.flowing);
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

    start(scene, 1, "", false);
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

    start(scene, 1, "", false);
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
            start(scene, 1, when == 0 ? "early" : "", false);
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

    start(scene, 2, "held", false);
    relay_abort(scene->relay);
    assert_int_equal(scene->a.end, ABORTED);
    assert_int_equal(scene->b.end, ABORTED);
    run_now(scene->loop);
    assert_string_equal(scene->reason, "");
}

static void a_relay_can_be_aborted_between_its_end_and_being_done(void **state)
{
    struct scene *scene = *state;

    start(scene, ENDLESS, "", false);
    ends(&scene->a);
    ends(&scene->b);
    relay_abort(scene->relay);
    assert_int_equal(scene->a.end, CLOSED);
    run_now(scene->loop);
    assert_string_equal(scene->reason, "");

    start(scene, ENDLESS, "", false);
    breaks(&scene->b, "cut");
    relay_abort(scene->relay);
    run_now(scene->loop);
    assert_string_equal(scene->reason, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways_at_once),
        TEST(what_is_not_taken_is_held_and_more_is_refused_meanwhile),
        TEST(a_source_that_asks_is_told_what_the_other_side_takes),
        TEST(early_bytes_go_first_and_are_counted),
        TEST(the_rest_of_a_reply_goes_before_all_else_and_is_not_counted),
        TEST(the_rest_of_a_reply_is_dropped_with_who_should_have_it),
        TEST(all_bytes_arrive_in_order_however_they_drip),
        TEST(the_end_of_data_one_way_leaves_the_other_way_open),
        TEST(the_end_of_data_waits_for_what_is_held),
        TEST(a_source_that_has_ended_is_not_resumed),
        TEST(an_end_seen_before_the_start_follows_the_early_bytes),
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

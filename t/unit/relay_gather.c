/* Tests of what io/relay gathers of a turn's bytes before it writes them. */
#include "io/relay.h"

#define GOT_MAX (512 * 1024)
#include "fake_endpoint.h"

#include "base/mem.h"

/* What an SSH channel brings at once, and what is too little and too much to be gathered. */
#define PACKET 32000
#define LITTLE 16383
#define MUCH 65537

#define ENDLESS ((size_t)1 << 40)

struct pair {
    struct far_side a, b;
    struct relay *relay;
    size_t said; /* by a */
    bool done;
    uint64_t bytes;
};

struct scene {
    struct loop *loop;
    struct pair one, two;
};

static void done(void *arg, const struct relay_result *result)
{
    struct pair *pair = arg;

    pair->relay = NULL;
    pair->bytes = result->bytes[0];
    pair->done = true;
}

static bool says_on(struct pair *pair, size_t length);

/* From a, which is as a channel, to b, which is as a socket. One packet has just gone through; b
 * will take so much more, and only that is counted. */
static void start(struct scene *scene, struct pair *pair, size_t capacity)
{
    memset(pair, 0, sizeof *pair);
    pair->a.capacity = ENDLESS;
    pair->b.capacity = ENDLESS;
    pair->b.gathers = true;
    pair->relay =
        relay_new(scene->loop,
                  &(struct relay_start){
                      .a = fake_new(&pair->a), .b = fake_new(&pair->b), .done = done, .arg = pair});
    assert_true(says_on(pair, PACKET));
    assert_int_equal(pair->b.got_length, PACKET);
    pair->b.capacity = capacity;
    pair->b.got_length = 0;
    pair->b.writes = 0;
    pair->said = 0;
}

/* The bytes of a stream, each told from its neighbours. */
static char nth(size_t n)
{
    return (char)(n % 251);
}

/* a goes on with so many; says whether they were taken. */
static bool says_on(struct pair *pair, size_t length)
{
    char *bytes = mem_zalloc(length);
    size_t taken;

    for (size_t i = 0; i < length; i++)
        bytes[i] = nth(pair->said + i);
    taken = sends(&pair->a, bytes, length);
    pair->said += taken;
    free(bytes);
    return taken == length;
}

static void assert_got(const struct pair *pair, size_t length, unsigned writes)
{
    assert_int_equal(pair->b.got_length, length);
    assert_int_equal(pair->b.writes, writes);
    for (size_t i = 0; i < length; i++)
        if (pair->b.got[i] != nth(i))
            fail_msg("byte %zu is another", i);
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

static void a_turns_packets_are_one_write(void **state)
{
    struct scene *scene = *state;
    struct pair *one = &scene->one;

    start(scene, one, ENDLESS);
    for (unsigned turn = 1; turn <= 3; turn++) {
        assert_true(says_on(one, PACKET));
        assert_true(says_on(one, PACKET));
        assert_true(says_on(one, 1)); /* behind the others, however little it is */
        assert_int_equal(one->b.writes, turn - 1);
        run_now(scene->loop);
        assert_got(one, one->said, turn);
    }
    relay_abort(one->relay);
}

static void little_does_not_wait(void **state)
{
    struct scene *scene = *state;

    start(scene, &scene->one, ENDLESS);
    assert_true(says_on(&scene->one, LITTLE));
    assert_got(&scene->one, LITTLE, 1);
    assert_true(says_on(&scene->one, 1));
    assert_got(&scene->one, LITTLE + 1, 2);
    assert_true(says_on(&scene->one, LITTLE + 1));
    assert_int_equal(scene->one.b.writes, 2);
    relay_abort(scene->one.relay);
}

static void much_is_written_by_itself_behind_what_was_gathered(void **state)
{
    struct scene *scene = *state;

    start(scene, &scene->one, ENDLESS);
    assert_true(says_on(&scene->one, MUCH));
    assert_got(&scene->one, MUCH, 1);
    assert_true(says_on(&scene->one, PACKET));
    assert_got(&scene->one, MUCH, 1);
    assert_true(says_on(&scene->one, MUCH));
    assert_got(&scene->one, MUCH + PACKET + MUCH, 3);
    relay_abort(scene->one.relay);
}

static void when_there_is_no_room_for_more_it_is_written(void **state)
{
    struct scene *scene = *state;
    size_t fit = LOOP_SCRATCH_SIZE / PACKET;

    start(scene, &scene->one, ENDLESS);
    for (size_t i = 0; i < fit; i++)
        assert_true(says_on(&scene->one, PACKET));
    assert_got(&scene->one, 0, 0);
    assert_true(says_on(&scene->one, PACKET));
    assert_got(&scene->one, fit * PACKET, 1);
    run_now(scene->loop);
    assert_got(&scene->one, (fit + 1) * PACKET, 2);
    relay_abort(scene->one.relay);
}

static void each_relay_gets_its_own(void **state)
{
    struct scene *scene = *state;

    start(scene, &scene->one, ENDLESS);
    assert_true(says_on(&scene->one, PACKET));
    start(scene, &scene->two, ENDLESS);
    assert_got(&scene->one, 0, 0);
    assert_true(says_on(&scene->two, PACKET + 1));
    assert_got(&scene->one, PACKET, 1);
    assert_true(says_on(&scene->one, PACKET));
    assert_got(&scene->one, 2 * PACKET, 2); /* (It was not the last.) */
    assert_true(says_on(&scene->one, PACKET));
    assert_got(&scene->two, PACKET + 1, 1);
    assert_true(says_on(&scene->two, PACKET));
    assert_got(&scene->two, 2 * PACKET + 1, 2);
    assert_got(&scene->one, 2 * PACKET, 2);
    run_now(scene->loop);
    assert_got(&scene->one, 3 * PACKET, 3);
    assert_got(&scene->two, 2 * PACKET + 1, 2);
    relay_abort(scene->one.relay);
    relay_abort(scene->two.relay);
}

static void what_is_not_taken_is_held(void **state)
{
    struct scene *scene = *state;
    struct pair *one = &scene->one;

    start(scene, one, PACKET + 1);
    assert_true(says_on(one, PACKET));
    assert_true(says_on(one, PACKET));
    run_now(scene->loop);
    assert_got(one, PACKET + 1, 1);
    assert_false(says_on(one, PACKET));
    takes(&one->b, 1);
    assert_got(one, PACKET + 2, 2);
    assert_false(one->a.flowing);
    takes(&one->b, ENDLESS);
    assert_got(one, 2 * PACKET, 3);
    assert_true(one->a.flowing);
    assert_true(says_on(one, PACKET));
    run_now(scene->loop);
    assert_got(one, 3 * PACKET, 4);
    relay_abort(one->relay);
}

/* What comes while there is no room for it is not refused: whoever asked was told that there is. */
static void what_comes_upon_too_much_is_held_behind_it(void **state)
{
    struct scene *scene = *state;
    struct pair *one = &scene->one;
    size_t fit = LOOP_SCRATCH_SIZE / PACKET;

    for (int much = 0; much < 2; much++) {
        size_t last = much ? MUCH : PACKET;
        start(scene, one, 1);
        for (size_t i = 0; i < fit; i++)
            assert_true(says_on(one, PACKET));
        assert_true(says_on(one, last));
        assert_got(one, 1, 1);
        assert_false(says_on(one, 1));
        takes(&one->b, ENDLESS);
        assert_got(one, fit * PACKET + last, 2);
        relay_abort(one->relay);
    }
}

static void the_end_of_data_is_behind_it(void **state)
{
    struct scene *scene = *state;
    struct pair *one = &scene->one;

    for (int gone = 0; gone < 2; gone++) {
        start(scene, one, ENDLESS);
        assert_true(says_on(one, PACKET));
        if (gone)
            goes(&one->a);
        else
            ends(&one->a);
        assert_got(one, PACKET, 1);
        assert_true(one->b.got_eof);
        if (!gone)
            ends(&one->b);
        run_now(scene->loop);
        assert_true(one->done);
        assert_int_equal(one->bytes, 2 * PACKET);
    }
}

static void what_came_before_a_failure_is_written(void **state)
{
    struct scene *scene = *state;
    struct pair *one = &scene->one;

    start(scene, one, ENDLESS);
    assert_true(says_on(one, PACKET));
    breaks(&one->a, "session lost");
    assert_got(one, PACKET, 1);
    assert_int_equal(one->b.end, ABORTED);
    run_now(scene->loop);
    assert_int_equal(one->bytes, 2 * PACKET);
}

static void nothing_is_written_to_who_has_gone(void **state)
{
    struct scene *scene = *state;
    struct pair *one = &scene->one;

    for (int how = 0; how < 3; how++) {
        start(scene, one, ENDLESS);
        assert_true(says_on(one, PACKET));
        if (how == 0)
            relay_abort(one->relay);
        else if (how == 1)
            breaks(&one->b, "connection reset by peer");
        else
            goes(&one->b);
        run_now(scene->loop);
        assert_got(one, 0, 0);
        assert_int_equal(one->done, how > 0);
    }
}

/* Its own last bytes are still to be taken. */
static void nothing_is_written_to_who_has_said_his_last(void **state)
{
    struct scene *scene = *state;
    struct pair *one = &scene->one;

    start(scene, one, ENDLESS);
    one->a.capacity = 0;
    assert_int_equal(says(&one->b, "bye"), 3);
    assert_true(says_on(one, PACKET));
    goes(&one->b);
    run_now(scene->loop);
    assert_got(one, 0, 0);
    assert_false(one->done);
    takes(&one->a, ENDLESS);
    run_now(scene->loop);
    assert_true(one->done);
    assert_int_equal(one->bytes, PACKET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turns_packets_are_one_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(little_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(much_is_written_by_itself_behind_what_was_gathered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(when_there_is_no_room_for_more_it_is_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(each_relay_gets_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_taken_is_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_upon_too_much_is_held_behind_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_end_of_data_is_behind_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_came_before_a_failure_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_written_to_who_has_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_written_to_who_has_said_his_last, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

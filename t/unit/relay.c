/* Tests of io/relay over scripted endpoints: the bytes. */
#include "relay_scene.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void bytes_go_both_ways_at_once(void **state)
{
    struct scene *scene = *state;
    uint64_t bytes[2];

    start(scene, ENDLESS, "");
    assert_true(is_flowing(&scene->a) && is_flowing(&scene->b));
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

    start(scene, 3, "");
    scene->a.asks_room = false;
    assert_int_equal(says(&scene->a, "hello"), 5);
    assert_got(&scene->b, "hel");
    assert_int_equal(says(&scene->a, " world"), 0);
    takes(&scene->b, 1);
    assert_got(&scene->b, "hell");
    assert_false(is_flowing(&scene->a));
    takes(&scene->b, 3);
    assert_got(&scene->b, "hello");
    assert_true(is_flowing(&scene->a));
    assert_int_equal(says(&scene->a, " world"), 6);
    takes(&scene->b, ENDLESS);
    assert_got(&scene->b, "hello world");
    relay_abort(scene->relay);
}

static void a_source_that_asks_is_told_what_the_other_side_takes(void **state)
{
    struct scene *scene = *state;

    start(scene, 3, "");
    assert_int_equal(says(&scene->a, "hello"), 3);
    assert_int_equal(says(&scene->a, "lo"), 0);
    assert_false(is_flowing(&scene->a));
    takes(&scene->b, 1);
    assert_true(is_flowing(&scene->a));
    assert_int_equal(says(&scene->a, "lo"), 1);
    assert_got(&scene->b, "hell");
    relay_abort(scene->relay);
}

static void early_bytes_go_first_and_are_counted(void **state)
{
    struct scene *scene = *state;

    start(scene, 4, "early");
    assert_got(&scene->b, "earl");
    assert_false(is_flowing(&scene->a));
    assert_true(is_flowing(&scene->b));
    takes(&scene->b, ENDLESS);
    assert_true(is_flowing(&scene->a));
    says(&scene->a, " bird");
    assert_got(&scene->b, "early bird");
    ends(&scene->b);
    ends(&scene->a);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 10);
}

static void early_bytes_of_both_sides_go_first_and_are_counted(void **state)
{
    struct scene *scene = *state;

    prepare(scene, 4);
    scene->a.capacity = 2;
    join(scene, "early", "good");
    assert_got(&scene->b, "earl");
    assert_got(&scene->a, "go");
    assert_false(is_flowing(&scene->a));
    assert_false(is_flowing(&scene->b));
    takes(&scene->b, ENDLESS);
    assert_true(is_flowing(&scene->a));
    assert_false(is_flowing(&scene->b));
    takes(&scene->a, ENDLESS);
    says(&scene->a, " bird");
    says(&scene->b, " day");
    assert_got(&scene->b, "early bird");
    assert_got(&scene->a, "good day");
    ends(&scene->b);
    ends(&scene->a);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 10);
    assert_int_equal(scene->result.bytes[1], 8);
}

/* A message that was sent to a, which takes so much now, before the relay began. */
static void start_with_message(struct scene *scene, size_t capacity, const char *message)
{
    prepare(scene, ENDLESS);
    scene->a.capacity = capacity;
    scene->b.asks_room = false;
    endpoint_send(scene->a.endpoint, message, strlen(message));
    join(scene, "", "");
}

static void a_message_goes_before_all_relayed_bytes_and_is_not_counted(void **state)
{
    struct scene *scene = *state;
    uint64_t bytes[2];

    start_with_message(scene, 2, "yes!");
    assert_got(&scene->a, "ye");
    assert_int_equal(says(&scene->b, "hello"), 5); /* (It was not asked for its room.) */
    assert_int_equal(says(&scene->b, "refused"), 0);
    takes(&scene->a, 1);
    assert_got(&scene->a, "yes");
    relay_bytes(scene->relay, bytes);
    assert_int_equal(bytes[1], 0);
    takes(&scene->a, 3);
    assert_got(&scene->a, "yes!he");
    relay_bytes(scene->relay, bytes);
    assert_int_equal(bytes[1], 2);
    takes(&scene->a, ENDLESS);
    assert_got(&scene->a, "yes!hello");
    assert_true(is_flowing(&scene->b));
    ends(&scene->a);
    ends(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], 0);
    assert_int_equal(scene->result.bytes[1], 5);
}

static void early_bytes_of_b_go_behind_a_message_to_a(void **state)
{
    struct scene *scene = *state;

    prepare(scene, ENDLESS);
    scene->a.capacity = 2;
    endpoint_send(scene->a.endpoint, "yes!", 4);
    join(scene, "", "early");
    assert_false(is_flowing(&scene->b));
    assert_got(&scene->a, "ye");
    takes(&scene->a, 5);
    assert_got(&scene->a, "yes!ear");
    assert_false(is_flowing(&scene->b));
    takes(&scene->a, ENDLESS);
    assert_got(&scene->a, "yes!early");
    assert_true(is_flowing(&scene->b));
    ends(&scene->a);
    ends(&scene->b);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[1], 5);
}

static void a_message_is_dropped_when_its_reader_has_gone(void **state)
{
    struct scene *scene = *state;

    start_with_message(scene, 0, "yes!");
    goes(&scene->a);
    assert_true(scene->b.got_eof);
    assert_int_equal(scene->a.got_length, 0);
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[1], 0);
}

/* (The end of data waits in the endpoint, and the relay waits for the endpoint.) */
static void a_message_goes_out_whole_though_both_sides_have_ended(void **state)
{
    struct scene *scene = *state;

    start_with_message(scene, 1, "yes!");
    ends(&scene->b);
    ends(&scene->a);
    assert_true(scene->b.got_eof);
    assert_false(scene->a.got_eof);
    run_now(scene->loop);
    assert_non_null(scene->relay);
    takes(&scene->a, 2);
    assert_false(scene->a.got_eof);
    takes(&scene->a, 1);
    assert_got(&scene->a, "yes!");
    assert_true(scene->a.got_eof);
    assert_ended(scene, CLOSED, -1, "closed");
}

/* Bytes of one direction: given in steps of any size, taken in steps of any size. */
struct drip {
    struct far_side *from, *to;
    size_t sent;
    size_t in, out; /* the steps */
    size_t before;  /* bytes of a message ahead of them */
};

static const char message[] = "yes!\n";

static const char poem[] = "The quality of mercy is not strain'd, it droppeth as the gentle rain "
                           "from heaven upon the place beneath";
#define POEM_LENGTH (sizeof poem - 1)

static void drip_in(struct drip *drip)
{
    size_t left = POEM_LENGTH - drip->sent;

    if (drip->from->ended)
        return;
    drip->sent += sends(drip->from, poem + drip->sent, drip->in < left ? drip->in : left);
    assert_true(drip->to->got_length <= drip->before + drip->sent);
    if (drip->sent == POEM_LENGTH && is_flowing(drip->from))
        ends(drip->from);
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
        const struct far_side *to = drips[i].to;
        assert_true(to->got_eof);
        assert_int_equal(to->got_length, drips[i].before + POEM_LENGTH);
        assert_memory_equal(to->got, message, drips[i].before);
        assert_memory_equal(to->got + drips[i].before, poem, POEM_LENGTH);
    }
    assert_ended(scene, CLOSED, -1, "closed");
    assert_int_equal(scene->result.bytes[0], POEM_LENGTH);
    assert_int_equal(scene->result.bytes[1], POEM_LENGTH);
}

/* One way of doing it. */
struct drip_case {
    size_t in, out;
    bool asks_room;
    size_t early[2];    /* bytes of the poem that were read from a, and from b, before */
    size_t messages[2]; /* bytes of a message that was sent to a, and to b, before */
};

static void drip_one(struct scene *scene, const struct drip_case *way, uint64_t seed)
{
    char early[2][POEM_LENGTH + 1] = {"", ""};

    for (int i = 0; i < 2; i++)
        memcpy(early[i], poem, way->early[i]);
    prepare(scene, 0);
    scene->a.capacity = 0;
    scene->a.asks_room = scene->b.asks_room = way->asks_room;
    endpoint_send(scene->a.endpoint, message, way->messages[0]);
    endpoint_send(scene->b.endpoint, message, way->messages[1]);
    join(scene, early[0], early[1]);
    drip_all(scene,
             (struct drip[2]){
                 {&scene->a, &scene->b, way->early[0], way->in, way->out, way->messages[1]},
                 {&scene->b, &scene->a, way->early[1], way->out, way->in, way->messages[0]},
             },
             seed);
}

/* Input and output in steps of all sizes, early bytes from none to all, messages ahead of them. */
static void all_bytes_arrive_in_order_however_they_drip(void **state)
{
    static const size_t steps[] = {1, 2, 3, 7, 50, 1000};
    static const size_t early[] = {0, 1, 10, POEM_LENGTH};
    static const size_t messages[] = {0, 5};
    uint64_t seed = 0;

    for (size_t in = 0; in < COUNT(steps); in++)
        for (size_t out = 0; out < COUNT(steps); out++)
            for (unsigned bits = 0; bits < 2 * 4 * 4 * 2 * 2; bits++)
                drip_one(*state,
                         &(struct drip_case){
                             .in = steps[in],
                             .out = steps[out],
                             .asks_room = bits % 2 == 0,
                             .early = {early[bits / 2 % 4], early[bits / 8 % 4]},
                             .messages = {messages[bits / 32 % 2], messages[bits / 64 % 2]},
                         },
                         seed++);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways_at_once),
        TEST(what_is_not_taken_is_held_and_more_is_refused_meanwhile),
        TEST(a_source_that_asks_is_told_what_the_other_side_takes),
        TEST(early_bytes_go_first_and_are_counted),
        TEST(early_bytes_of_both_sides_go_first_and_are_counted),
        TEST(a_message_goes_before_all_relayed_bytes_and_is_not_counted),
        TEST(early_bytes_of_b_go_behind_a_message_to_a),
        TEST(a_message_is_dropped_when_its_reader_has_gone),
        TEST(a_message_goes_out_whole_though_both_sides_have_ended),
        TEST(all_bytes_arrive_in_order_however_they_drip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

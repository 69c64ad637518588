/* Tests of io/paced: a relay whose one side comes by portions. The pace and the clock are the
 * test's. */
#include "io/paced.h"

#include "relay_scene.h"
#include "test_clock.h"

#define PORTION 10

/* What the pace answers, and what it was asked for. */
struct script {
    uint64_t wait;
    size_t asked;
    unsigned times;
};

static struct script script;

static uint64_t scripted_wait(void *arg, size_t portion)
{
    struct script *s = arg;

    s->asked = portion;
    s->times++;
    return s->wait;
}

/* A relay whose a is paced. `asks_room`: a asks before it offers, as a socket does. */
static void begin(struct scene *scene, bool asks_room, size_t capacity)
{
    struct paced_pace pace = {.wait = scripted_wait, .arg = &script, .portion = PORTION};

    script = (struct script){0};
    scene->loop = loop_new();
    prepare(scene, capacity);
    scene->a.asks_room = asks_room;
    scene->relay = relay_new(scene->loop, &(struct relay_start){
                                              .a = paced_new(scene->loop, scene->a.endpoint, &pace),
                                              .b = scene->b.endpoint,
                                              .done = done,
                                              .arg = scene,
                                          });
    run_now(scene->loop);
}

static void end_scene(struct scene *scene)
{
    run_now(scene->loop);
    assert_null(scene->relay);
    loop_free(scene->loop);
}

static void got(const struct far_side *far, const char *text)
{
    assert_int_equal(far->got_length, strlen(text));
    assert_memory_equal(far->got, text, far->got_length);
}

static void bytes_come_by_portions(void **state)
{
    struct scene scene = {0};

    (void)state;
    begin(&scene, true, ENDLESS);
    assert_int_equal(says(&scene.a, "0123456789abcde"), PORTION);
    script.wait = 30;
    assert_int_equal(says(&scene.a, "abcde"), 0);
    assert_int_equal(script.times, 2);
    assert_false(is_flowing(&scene.a));
    clock_skip(scene.loop, 29);
    run_now(scene.loop);
    assert_false(is_flowing(&scene.a));
    clock_skip(scene.loop, 1);
    run_now(scene.loop);
    /* (The portion that was waited for is not asked for again.) */
    assert_int_equal(says(&scene.a, "abcde"), 5);
    assert_int_equal(script.times, 2);
    got(&scene.b, "0123456789abcde");
    /* What comes the other way has no pace. */
    assert_int_equal(says(&scene.b, "as long as it may be"), 20);
    ends(&scene.a);
    ends(&scene.b);
    end_scene(&scene);
    got(&scene.a, "as long as it may be");
    assert_int_equal(scene.result.bytes[0], 15);
}

/* A channel offers all that it has without asking: what is more than a portion is held, as is what
 * it reports meanwhile. */
static void what_comes_beyond_a_portion_is_held(void **state)
{
    struct scene scene = {0};

    (void)state;
    begin(&scene, false, ENDLESS);
    assert_int_equal(says(&scene.a, "0123456789abcdefghijklmno"), 25);
    got(&scene.b, "0123456789");
    script.wait = 50;
    for (int i = 0; i < 2; i++) {
        run_now(scene.loop);
        assert_int_equal(scene.b.got_length, (size_t)(i + 1) * PORTION);
        if (i == 1)
            ends(&scene.a);
        assert_false(scene.b.got_eof);
        clock_skip(scene.loop, 50);
    }
    run_now(scene.loop);
    got(&scene.b, "0123456789abcdefghijklmno");
    assert_true(scene.b.got_eof);
    ends(&scene.b);
    end_scene(&scene);
    assert_int_equal(scene.a.end, CLOSED);
}

static void while_bytes_are_held_no_more_are_taken(void **state)
{
    struct scene scene = {0};

    (void)state;
    begin(&scene, false, ENDLESS);
    script.wait = 0;
    assert_int_equal(says(&scene.a, "0123456789abcde"), 15);
    script.wait = 50;
    assert_int_equal(says(&scene.a, "x"), 0);
    assert_false(is_flowing(&scene.a));
    breaks(&scene.a, "reset");
    end_scene(&scene);
    assert_int_equal(scene.a.end, ABORTED);
    assert_int_equal(scene.b.end, ABORTED);
}

/* The far side has gone while bytes of it are held. */
static void held_bytes_survive_the_close(void **state)
{
    struct scene scene = {0};

    (void)state;
    begin(&scene, false, ENDLESS);
    assert_int_equal(says(&scene.a, "0123456789abcde"), 15);
    script.wait = 50;
    goes(&scene.a);
    run_now(scene.loop);
    got(&scene.b, "0123456789");
    clock_skip(scene.loop, 50);
    run_now(scene.loop);
    got(&scene.b, "0123456789abcde");
    assert_true(scene.b.got_eof);
    end_scene(&scene); /* (nothing more can come of b) */
}

/* An end that follows bytes that wait comes behind them. */
static void the_end_of_data_waits_for_the_bytes_before_it(void **state)
{
    struct scene scene = {0};

    (void)state;
    begin(&scene, true, ENDLESS);
    assert_int_equal(says(&scene.a, "0123456789"), PORTION);
    script.wait = 100;
    assert_int_equal(says(&scene.a, "abc"), 0);
    assert_false(endpoint_owes_eof(scene.a.endpoint));
    clock_skip(scene.loop, 100);
    run_now(scene.loop);
    assert_int_equal(says(&scene.a, "abc"), 3);
    ends(&scene.a);
    assert_true(scene.b.got_eof);
    got(&scene.b, "0123456789abc");
    ends(&scene.b);
    end_scene(&scene);
    assert_int_equal(scene.a.end, CLOSED);
}

/* The other side takes nothing meanwhile: the portion waits with it, and is not lost. */
static void a_portion_is_kept_while_the_other_side_is_full(void **state)
{
    struct scene scene = {0};

    (void)state;
    begin(&scene, true, 4);
    assert_int_equal(says(&scene.a, "01234567"), 4);
    assert_int_equal(says(&scene.a, "4567"), 0);
    script.wait = 1000;
    takes(&scene.b, ENDLESS);
    run_now(scene.loop);
    assert_int_equal(says(&scene.a, "4567"), 4);
    got(&scene.b, "01234567");
    assert_int_equal(script.times, 1);
    relay_abort(scene.relay);
    scene.relay = NULL;
    end_scene(&scene);
}

/* A relay that ends while a portion is waited for leaves no deadline behind. */
static void it_can_be_cut_while_it_waits(void **state)
{
    struct scene scene = {0};

    (void)state;
    begin(&scene, true, ENDLESS);
    script.wait = 5000;
    assert_int_equal(says(&scene.a, "0"), 0);
    breaks(&scene.b, "reset");
    end_scene(&scene);
    assert_int_equal(scene.a.end, ABORTED);
}

/* What the other endpoint still keeps of messages goes out first, and counts as draining. */
static void messages_go_out_first(void **state)
{
    struct paced_pace pace = {.wait = scripted_wait, .arg = &script, .portion = PORTION};
    struct scene scene = {.loop = loop_new()};
    struct endpoint *paced;

    (void)state;
    prepare(&scene, ENDLESS);
    scene.a.capacity = 2;
    endpoint_send(scene.a.endpoint, "hello ", 6);
    paced = paced_new(scene.loop, scene.a.endpoint, &pace);
    assert_true(endpoint_is_paced(paced));
    assert_true(endpoint_is_draining(paced));
    scene.relay = relay_new(
        scene.loop,
        &(struct relay_start){.a = paced, .b = scene.b.endpoint, .done = done, .arg = &scene});
    assert_int_equal(says(&scene.b, "world"), 0);
    ends(&scene.a);
    takes(&scene.a, ENDLESS);
    run_now(scene.loop);
    assert_int_equal(says(&scene.b, "world"), 5);
    ends(&scene.b);
    end_scene(&scene);
    got(&scene.a, "hello world");
    assert_true(scene.a.got_eof);
    assert_int_equal(scene.a.end, CLOSED);
}

/* Given back, the endpoint keeps what was sent meanwhile, and its end is told anew. */
static void it_can_be_given_back(void **state)
{
    struct paced_pace pace = {.wait = scripted_wait, .arg = &script, .portion = PORTION};
    struct scene scene = {.loop = loop_new()};
    struct endpoint *paced;
    struct buffer held = {0};

    (void)state;
    prepare(&scene, ENDLESS);
    scene.a.capacity = 3;
    paced = paced_new(scene.loop, scene.a.endpoint, &pace);
    endpoint_send(paced, "hello", 5);
    assert_ptr_equal(paced_end(paced, &held), scene.a.endpoint);
    assert_int_equal(buffer_length(&held), 0);
    assert_false(endpoint_is_paced(scene.a.endpoint));
    assert_false(endpoint_is_paced(NULL));
    assert_true(endpoint_is_draining(scene.a.endpoint));
    join(&scene, "", "");
    takes(&scene.a, ENDLESS);
    got(&scene.a, "hello");
    ends(&scene.a);
    ends(&scene.b);
    end_scene(&scene);
}

static void a_slow_pace_has_small_portions(void **state)
{
    (void)state;
    assert_int_equal(paced_portion(1), 1);
    assert_int_equal(paced_portion(1000000), 20000);
    assert_int_equal(paced_portion(UINT64_MAX), PACED_PORTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_by_portions),
        cmocka_unit_test(what_comes_beyond_a_portion_is_held),
        cmocka_unit_test(while_bytes_are_held_no_more_are_taken),
        cmocka_unit_test(held_bytes_survive_the_close),
        cmocka_unit_test(the_end_of_data_waits_for_the_bytes_before_it),
        cmocka_unit_test(a_portion_is_kept_while_the_other_side_is_full),
        cmocka_unit_test(it_can_be_cut_while_it_waits),
        cmocka_unit_test(messages_go_out_first),
        cmocka_unit_test(it_can_be_given_back),
        cmocka_unit_test(a_slow_pace_has_small_portions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

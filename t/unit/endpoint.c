/* Tests of io/endpoint over scripted endpoints: messages, and the end for every owner. */
#include "fake_endpoint.h"

#include <stdio.h>

/* What an owner was told. */
struct told {
    int eofs, closes, writables, fails;
    bool in_operation;
};

static size_t told_on_room(void *owner)
{
    (void)owner;
    return SIZE_MAX;
}

static bool told_on_data(void *owner, const uint8_t *bytes, size_t length)
{
    (void)owner;
    (void)bytes;
    (void)length;
    return true;
}

static void told_on_eof(void *owner)
{
    assert_false(((struct told *)owner)->in_operation);
    ((struct told *)owner)->eofs++;
}

static void told_on_closed(void *owner)
{
    assert_false(((struct told *)owner)->in_operation);
    ((struct told *)owner)->closes++;
}

static void told_on_writable(void *owner)
{
    assert_false(((struct told *)owner)->in_operation);
    ((struct told *)owner)->writables++;
}

static void told_on_failed(void *owner, const char *why)
{
    assert_string_equal(why, "cut");
    assert_false(((struct told *)owner)->in_operation);
    ((struct told *)owner)->fails++;
}

static const struct endpoint_events told_events = {
    .room = told_on_room,
    .data = told_on_data,
    .eof = told_on_eof,
    .closed = told_on_closed,
    .writable = told_on_writable,
    .failed = told_on_failed,
};

struct scene {
    struct far_side far;
    struct endpoint *e;
    struct told told;
};

static void start(struct scene *scene, size_t capacity)
{
    *scene = (struct scene){.far = {.capacity = capacity}};
    scene->e = fake_new(&scene->far);
    endpoint_own(scene->e, &told_events, &scene->told);
    endpoint_resume(scene->e);
}

static void message(struct scene *scene, const char *text)
{
    scene->told.in_operation = true;
    endpoint_send(scene->e, text, strlen(text));
    scene->told.in_operation = false;
}

static size_t writes(struct scene *scene, const char *text)
{
    return endpoint_write(scene->e, (const uint8_t *)text, strlen(text));
}

static void assert_got(const struct scene *scene, const char *text)
{
    assert_int_equal(scene->far.got_length, strlen(text));
    assert_memory_equal(scene->far.got, text, strlen(text));
}

static void finish(struct scene *scene, bool abort, enum end end)
{
    endpoint_close(scene->e, abort);
    assert_int_equal(scene->far.end, end);
}

/* ---- messages */

static void a_message_that_fits_is_written_at_once(void **state)
{
    struct scene scene;

    (void)state;
    start(&scene, 100);
    message(&scene, "hello");
    message(&scene, "");
    assert_got(&scene, "hello");
    assert_false(endpoint_is_draining(scene.e));
    assert_int_equal(endpoint_room(scene.e), 95);
    assert_int_equal(writes(&scene, " world"), 6);
    assert_got(&scene, "hello world");
    finish(&scene, false, CLOSED);
}

static void the_rest_of_a_message_goes_before_anything_else(void **state)
{
    struct scene scene;

    (void)state;
    for (size_t step = 1; step < 8; step++) {
        size_t given = 3;
        start(&scene, given);
        message(&scene, "hello");
        message(&scene, " and more");
        while (given < strlen("hello and more")) {
            assert_true(endpoint_is_draining(scene.e));
            assert_int_equal(endpoint_room(scene.e), 0);
            assert_int_equal(writes(&scene, "x"), 0);
            assert_int_equal(scene.told.writables, 0);
            takes(&scene.far, step);
            given += step;
        }
        assert_false(endpoint_is_draining(scene.e));
        assert_int_equal(scene.told.writables, 1);
        assert_got(&scene, "hello and more");
        takes(&scene.far, 1);
        assert_int_equal(writes(&scene, "!"), 1);
        assert_got(&scene, "hello and more!");
        finish(&scene, false, CLOSED);
    }
}

static void the_end_of_data_is_written_behind_a_message(void **state)
{
    struct scene scene;

    (void)state;
    start(&scene, 3);
    message(&scene, "hello");
    endpoint_write_eof(scene.e);
    endpoint_write_eof(scene.e);
    takes(&scene.far, 1);
    assert_false(scene.far.got_eof);
    takes(&scene.far, 1);
    assert_true(scene.far.got_eof);
    assert_int_equal(scene.told.writables, 1);
    assert_got(&scene, "hello");
    finish(&scene, false, CLOSED);
}

static void the_longest_messages_are_kept(void **state)
{
    struct scene scene;
    char *text = mem_zalloc(ENDPOINT_MESSAGES_MAX);

    (void)state;
    start(&scene, 0);
    endpoint_send(scene.e, text, ENDPOINT_MESSAGES_MAX);
    assert_true(endpoint_is_draining(scene.e));
    takes(&scene.far, GOT_MAX);
    assert_int_equal(scene.far.got_length, GOT_MAX);
    finish(&scene, false, ABORTED);
    free(text);
}

static void a_close_with_a_message_to_be_sent_is_an_abort(void **state)
{
    struct scene scene;

    (void)state;
    start(&scene, 3);
    message(&scene, "hello");
    finish(&scene, false, ABORTED);
    start(&scene, 3);
    finish(&scene, true, ABORTED);
}

static void a_message_is_dropped_when_the_far_side_is_gone_or_fails(void **state)
{
    struct scene scene;

    (void)state;
    start(&scene, 3);
    message(&scene, "hello");
    goes(&scene.far);
    assert_int_equal(scene.told.closes, 1);
    assert_false(endpoint_is_draining(scene.e));
    finish(&scene, false, CLOSED);
    start(&scene, 3);
    message(&scene, "hello");
    breaks(&scene.far, "cut");
    assert_int_equal(scene.told.fails, 1);
    assert_false(endpoint_is_draining(scene.e));
    finish(&scene, false, CLOSED);
}

/* ---- owners */

static void each_owner_is_told_of_an_end_once_it_has_resumed(void **state)
{
    (void)state;
    for (int gone = 0; gone < 2; gone++) {
        struct scene scene;
        start(&scene, 3);
        if (gone)
            goes(&scene.far);
        else
            ends(&scene.far);
        for (int owner = 0; owner < 3; owner++) {
            struct told told = {0};
            endpoint_own(scene.e, &told_events, &told);
            tells(&scene.far);
            assert_int_equal(told.eofs + told.closes, 0);
            told.in_operation = true;
            endpoint_resume(scene.e);
            told.in_operation = false;
            tells(&scene.far);
            tells(&scene.far);
            assert_int_equal(told.eofs, !gone);
            assert_int_equal(told.closes, gone);
        }
        assert_int_equal(scene.told.eofs + scene.told.closes, 1);
        finish(&scene, false, CLOSED);
    }
}

static void an_owner_that_was_told_of_the_end_of_data_is_told_of_a_close(void **state)
{
    struct scene scene;

    (void)state;
    start(&scene, 3);
    ends(&scene.far);
    goes(&scene.far);
    tells(&scene.far);
    assert_int_equal(scene.told.eofs, 1);
    assert_int_equal(scene.told.closes, 1);
    finish(&scene, false, CLOSED);
}

static void a_new_owner_gets_no_data_before_it_has_resumed(void **state)
{
    struct scene scene;
    struct told told = {0};

    (void)state;
    start(&scene, 3);
    assert_int_equal(says(&scene.far, "hello"), 5);
    endpoint_own(scene.e, &told_events, &told);
    assert_int_equal(says(&scene.far, "hello"), 0);
    endpoint_resume(scene.e);
    assert_int_equal(says(&scene.far, "hello"), 5);
    finish(&scene, false, CLOSED);
}

static void a_message_of_a_former_owner_still_goes_out(void **state)
{
    struct scene scene;
    struct told told = {0};

    (void)state;
    start(&scene, 3);
    message(&scene, "hello");
    endpoint_own(scene.e, &told_events, &told);
    takes(&scene.far, 2);
    assert_got(&scene, "hello");
    assert_int_equal(scene.told.writables, 0);
    assert_int_equal(told.writables, 1);
    finish(&scene, false, CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_fits_is_written_at_once),
        cmocka_unit_test(the_rest_of_a_message_goes_before_anything_else),
        cmocka_unit_test(the_end_of_data_is_written_behind_a_message),
        cmocka_unit_test(the_longest_messages_are_kept),
        cmocka_unit_test(a_close_with_a_message_to_be_sent_is_an_abort),
        cmocka_unit_test(a_message_is_dropped_when_the_far_side_is_gone_or_fails),
        cmocka_unit_test(each_owner_is_told_of_an_end_once_it_has_resumed),
        cmocka_unit_test(an_owner_that_was_told_of_the_end_of_data_is_told_of_a_close),
        cmocka_unit_test(a_new_owner_gets_no_data_before_it_has_resumed),
        cmocka_unit_test(a_message_of_a_former_owner_still_goes_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

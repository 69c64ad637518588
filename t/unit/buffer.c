/* Tests of base/buffer. */
#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_holds(const struct buffer *b, const char *text)
{
    assert_int_equal(buffer_length(b), strlen(text));
    assert_memory_equal(buffer_data(b), text, strlen(text));
}

static void an_empty_buffer_holds_nothing(void **state)
{
    struct buffer b = {0};

    (void)state;
    assert_int_equal(buffer_length(&b), 0);
    buffer_append(&b, NULL, 0);
    buffer_consume(&b, 0);
    buffer_clear(&b);
    assert_int_equal(buffer_length(&b), 0);
    assert_null(b.bytes);
}

static void bytes_come_out_in_the_order_they_went_in(void **state)
{
    struct buffer b = {0};

    (void)state;
    buffer_append(&b, "one", 3);
    buffer_append(&b, "two", 3);
    assert_holds(&b, "onetwo");
    buffer_consume(&b, 2);
    assert_holds(&b, "etwo");
    buffer_append(&b, "!", 1);
    assert_holds(&b, "etwo!");
    buffer_clear(&b);
}

static void consuming_all_gives_the_storage_back(void **state)
{
    struct buffer b = {0};

    (void)state;
    buffer_append(&b, "bytes", 5);
    assert_non_null(b.bytes);
    buffer_consume(&b, 5);
    assert_int_equal(buffer_length(&b), 0);
    assert_null(b.bytes);
}

static void a_cleared_buffer_can_be_used_again(void **state)
{
    struct buffer b = {0};

    (void)state;
    buffer_append(&b, "bytes", 5);
    buffer_clear(&b);
    assert_null(b.bytes);
    buffer_append(&b, "more", 4);
    assert_holds(&b, "more");
    buffer_clear(&b);
}

static void only_what_is_committed_of_a_reserve_counts(void **state)
{
    struct buffer b = {0};

    (void)state;
    buffer_append(&b, "ab", 2);
    memcpy(buffer_reserve(&b, 4096), "cdef", 4);
    assert_holds(&b, "ab");
    buffer_commit(&b, 2);
    assert_holds(&b, "abcd");
    buffer_reserve(&b, 1);
    assert_holds(&b, "abcd");
    buffer_clear(&b);
}

static void a_reserve_can_be_filled_whole(void **state)
{
    (void)state;
    for (size_t before = 0; before < 3; before++) {
        for (size_t length = 1; length < 5000; length += 123) {
            struct buffer b = {0};
            buffer_append(&b, "xy", before);
            memset(buffer_reserve(&b, length), 'z', length);
            buffer_commit(&b, length);
            assert_int_equal(buffer_length(&b), before + length);
            assert_int_equal(buffer_data(&b)[before + length - 1], 'z');
            buffer_clear(&b);
        }
    }
}

/* Random steps beside the plainest queue there is: one long array. */
static void a_long_mixture_of_steps_loses_and_changes_nothing(void **state)
{
    static uint8_t all[1 << 20];
    struct buffer b = {0};
    size_t in = 0;
    size_t out = 0;

    (void)state;
    srandom(1);
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)random();
    while (in < sizeof(all)) {
        size_t length = (size_t)random() % 3000;
        if (length > sizeof(all) - in)
            length = sizeof(all) - in;
        buffer_append(&b, all + in, length);
        in += length;
        assert_int_equal(buffer_length(&b), in - out);
        size_t taken = (size_t)random() % (buffer_length(&b) + 1);
        if (taken > 0)
            assert_memory_equal(buffer_data(&b), all + out, taken);
        buffer_consume(&b, taken);
        out += taken;
    }
    assert_int_equal(buffer_length(&b), in - out);
    buffer_clear(&b);
}

static void a_queue_that_keeps_moving_does_not_grow(void **state)
{
    struct buffer b = {0};
    char bytes[1000] = {0};

    (void)state;
    buffer_append(&b, bytes, 1);
    for (int i = 0; i < 10000; i++) {
        buffer_append(&b, bytes, sizeof(bytes));
        buffer_consume(&b, sizeof(bytes));
    }
    assert_int_equal(buffer_length(&b), 1);
    assert_in_range(b.size, 1, 4 * sizeof(bytes));
    buffer_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_holds_nothing),
        cmocka_unit_test(bytes_come_out_in_the_order_they_went_in),
        cmocka_unit_test(consuming_all_gives_the_storage_back),
        cmocka_unit_test(a_cleared_buffer_can_be_used_again),
        cmocka_unit_test(only_what_is_committed_of_a_reserve_counts),
        cmocka_unit_test(a_reserve_can_be_filled_whole),
        cmocka_unit_test(a_long_mixture_of_steps_loses_and_changes_nothing),
        cmocka_unit_test(a_queue_that_keeps_moving_does_not_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

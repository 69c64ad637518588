/* Tests of base/ssh_bytes. */
#include "base/ssh_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t example[] = {0, 1, 2, 3, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 9};

static void fields_are_taken_in_order(void **state)
{
    struct ssh_reader reader = {.rest = {example, sizeof(example)}};
    struct span string;

    (void)state;
    assert_int_equal(ssh_take_uint32(&reader), 0x010203);
    string = ssh_take_string(&reader);
    assert_int_equal(string.length, 3);
    assert_memory_equal(string.bytes, "abc", 3);
    assert_int_equal(ssh_take_string(&reader).length, 0);
    assert_false(reader.bad);
    assert_int_equal(reader.rest.length, 1);
    assert_int_equal(ssh_take(&reader, 1).bytes[0], 9);
    assert_false(reader.bad);
    ssh_take(&reader, 1);
    assert_true(reader.bad);
}

/* Cut anywhere, the reader says so, gives nothing more and reads nothing behind the end. */
static void what_is_cut_short_is_bad(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof(example) - 1; length++) {
        struct ssh_reader reader = {.rest = {example, length}};
        ssh_take_uint32(&reader);
        ssh_take_string(&reader);
        ssh_take_string(&reader);
        assert_true(reader.bad);
        assert_int_equal(ssh_take_uint32(&reader), 0);
        assert_int_equal(ssh_take_string(&reader).length, 0);
        assert_null(ssh_take(&reader, 0).bytes);
    }
}

static void a_length_beyond_all_memory_is_bad(void **state)
{
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    struct ssh_reader reader = {.rest = {huge, sizeof(huge)}};

    (void)state;
    assert_int_equal(ssh_take_string(&reader).length, 0);
    assert_true(reader.bad);
}

static void what_is_put_can_be_taken(void **state)
{
    uint8_t bytes[32];
    uint8_t *end = ssh_put_string(ssh_put_uint32(bytes, 0x010203), "abc", 3);
    struct buffer out = {0};

    (void)state;
    end = ssh_put_string(end, NULL, 0);
    assert_int_equal(end - bytes, 15);
    assert_memory_equal(bytes, example, 15);
    ssh_append_string(&out, (struct span){(const uint8_t *)"abc", 3});
    ssh_append_string(&out, (struct span){NULL, 0});
    assert_int_equal(buffer_length(&out), 11);
    assert_memory_equal(buffer_data(&out), example + 4, 11);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_taken_in_order),
        cmocka_unit_test(what_is_cut_short_is_bad),
        cmocka_unit_test(a_length_beyond_all_memory_is_bad),
        cmocka_unit_test(what_is_put_can_be_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tests of control/protocol. */
#include "control/protocol.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX ((size_t)64)

/* On memory of exactly that length, so that a sanitizer sees a read beyond. */
static enum wire_status parse(const char *bytes, size_t length, size_t *used, json_t **object,
                              const char **wrong)
{
    uint8_t *copy = mem_zalloc(length > 0 ? length : 1);
    struct control_line line = {.used = *used, .object = *object, .wrong = *wrong};
    enum wire_status status;

    if (length > 0)
        memcpy(copy, bytes, length);
    status = control_parse(copy, length, MAX, &line);
    free(copy);
    *used = line.used;
    *object = line.object;
    *wrong = line.wrong;
    return status;
}

static const struct {
    const char *what;
    const char *bytes;
    size_t length; /* 0: of the text */
    bool good;
} cases[] = {
    {"an object", "{\"command\":\"check\"}\n", 0, true},
    {"an empty object", "{}\n", 0, true},
    {"blanks round it", " \t{ \"a\" : 1 } \r\n", 0, true},
    {"members of all types", "{\"a\":[1,2.5,null,true,{\"b\":\"\\u00e4\\n\"}]}\n", 0, true},
    {"an empty line", "\n", 0, false},
    {"words", "check\n", 0, false},
    {"a string", "\"check\"\n", 0, false},
    {"an array", "[{}]\n", 0, false},
    {"two objects", "{}{}\n", 0, false},
    {"half an object", "{\"a\":\n", 0, false},
    {"a key twice", "{\"a\":1,\"a\":2}\n", 0, false},
    {"not UTF-8", "{\"a\":\"\xff\"}\n", 0, false},
    {"NUL", "{}\0\n", 4, false},
    {"NUL in a string", "{\"a\":\"\\u0000\"}\n", 0, false},
};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static size_t length_of(size_t i)
{
    return cases[i].length > 0 ? cases[i].length : strlen(cases[i].bytes);
}

static void a_line_is_an_object_or_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        const char *wrong = NULL;
        json_t *object = NULL;
        size_t used = 0;
        enum wire_status status = parse(cases[i].bytes, length_of(i), &used, &object, &wrong);

        print_message("# %s\n", cases[i].what);
        assert_int_equal(status, cases[i].good ? WIRE_OK : WIRE_BAD);
        if (cases[i].good) {
            assert_int_equal(used, length_of(i));
            assert_true(json_is_object(object));
        } else {
            assert_non_null(wrong);
            assert_null(object);
        }
        json_decref(object);
    }
}

static void a_line_without_its_end_is_waited_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (size_t length = 0; length < length_of(i); length++) {
            const char *wrong;
            json_t *object;
            size_t used;
            assert_int_equal(parse(cases[i].bytes, length, &used, &object, &wrong), WIRE_MORE);
        }
}

static void what_follows_a_line_is_left(void **state)
{
    static const char *const after[] = {"{", "\n", "garbage\n", "{}\n{}\n"};

    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (size_t k = 0; k < sizeof after / sizeof after[0] && cases[i].length == 0; k++) {
            char *bytes = mem_printf("%s%s", cases[i].bytes, after[k]);
            const char *wrong;
            json_t *object = NULL;
            size_t used = 0;
            enum wire_status status = parse(bytes, strlen(bytes), &used, &object, &wrong);

            assert_int_equal(status, cases[i].good ? WIRE_OK : WIRE_BAD);
            if (cases[i].good)
                assert_int_equal(used, length_of(i));
            json_decref(object);
            free(bytes);
        }
}

static void a_line_may_be_as_long_as_is_said_and_no_longer(void **state)
{
    char bytes[MAX + 2];
    const char *wrong = NULL;
    json_t *object = NULL;
    size_t used;

    (void)state;
    memset(bytes, ' ', sizeof bytes);
    memcpy(bytes, "{}", 2);
    assert_int_equal(parse(bytes, MAX, &used, &object, &wrong), WIRE_MORE);
    assert_int_equal(parse(bytes, MAX + 1, &used, &object, &wrong), WIRE_BAD);
    assert_string_equal(wrong, "the line is too long");
    bytes[MAX] = '\n';
    assert_int_equal(parse(bytes, MAX + 1, &used, &object, &wrong), WIRE_OK);
    assert_int_equal(used, MAX + 1);
    json_decref(object);
    bytes[MAX] = ' ';
    bytes[MAX + 1] = '\n';
    assert_int_equal(parse(bytes, MAX + 2, &used, &object, &wrong), WIRE_BAD);
}

static void what_is_printed_is_one_line_that_is_parsed_back(void **state)
{
    json_t *object = json_pack("{s:s, s:[i,n,b]}", "a", "line\nand \"line\"", "b", 7, 1);
    char *line = control_print(object);
    struct control_line parsed;

    (void)state;
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_int_equal(control_parse((const uint8_t *)line, strlen(line), 1000, &parsed), WIRE_OK);
    assert_int_equal(parsed.used, strlen(line));
    assert_true(json_equal(object, parsed.object));
    json_decref(object);
    json_decref(parsed.object);
    free(line);
}

static void an_error_says_what_and_what_it_is_worth(void **state)
{
    json_t *error = control_error(78, "%s and %d \xff", "this", 3);
    json_t *ok = control_ok();

    (void)state;
    assert_true(json_is_false(json_object_get(error, "ok")));
    assert_string_equal(control_text(error, "error"), "this and 3 \\xff");
    assert_int_equal(json_integer_value(json_object_get(error, "status")), 78);
    assert_null(control_text(error, "status"));
    assert_null(control_text(error, "nothing"));
    assert_null(control_text(NULL, "error"));
    assert_true(json_is_true(json_object_get(ok, "ok")));
    json_decref(error);
    json_decref(ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_an_object_or_bad),
        cmocka_unit_test(a_line_without_its_end_is_waited_for),
        cmocka_unit_test(what_follows_a_line_is_left),
        cmocka_unit_test(a_line_may_be_as_long_as_is_said_and_no_longer),
        cmocka_unit_test(what_is_printed_is_one_line_that_is_parsed_back),
        cmocka_unit_test(an_error_says_what_and_what_it_is_worth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

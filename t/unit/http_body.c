/* Where HTTP request bodies end. */
#include "wire/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Gives a body its bytes in pieces of `step`; returns how many of them belong to it. */
static size_t feed(struct http_body *body, const char *bytes, size_t length, size_t step, bool *bad)
{
    size_t taken = 0;
    *bad = false;
    for (size_t at = 0; at < length; at += step) {
        size_t piece = length - at < step ? length - at : step;
        size_t now = http_body_take(body, (const uint8_t *)bytes + at, piece, bad);
        taken += now;
        if (now < piece)
            break;
    }
    return taken;
}

static void a_length_is_counted(void **state)
{
    bool bad;
    (void)state;
    for (size_t step = 1; step <= 10; step++) {
        struct http_body body = {.framing = HTTP_LENGTH, .left = 5};
        assert_false(http_body_done(&body));
        assert_int_equal(feed(&body, "helloGET /", 10, step, &bad), 5);
        assert_true(http_body_done(&body));
        assert_false(bad);
        assert_int_equal(http_body_take(&body, (const uint8_t *)"x", 1, &bad), 0);
    }
}

static void no_body_takes_nothing_and_until_close_takes_all(void **state)
{
    struct http_body none = {.framing = HTTP_NO_BODY}, all = {.framing = HTTP_UNTIL_CLOSE};
    bool bad;
    (void)state;
    assert_true(http_body_done(&none));
    assert_int_equal(http_body_take(&none, (const uint8_t *)"abc", 3, &bad), 0);
    assert_int_equal(http_body_take(&all, (const uint8_t *)"abc", 3, &bad), 3);
    assert_false(http_body_done(&all));
    assert_false(bad);
}

static void chunks_end_with_the_last_one(void **state)
{
    static const char *const cases[] = {
        "0\r\n\r\n",
        "000\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n",
        "a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
        "5;name=value;x=\"a b\"\r\nhello\r\n0;last\r\n\r\n",
        "5 \t;x\r\nhello\r\n0\r\n\r\n",
        "0\r\nTrailer: x\r\nOther:\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length = strlen(cases[i]);
        char more[128];
        strcpy(more, cases[i]);
        strcat(more, "0\r\n\r\n");
        for (size_t step = 1; step <= strlen(more); step++) {
            struct http_body body = {.framing = HTTP_CHUNKED};
            bool bad;
            assert_int_equal(feed(&body, more, strlen(more), step, &bad), length);
            assert_true(http_body_done(&body));
            assert_false(bad);

            body = (struct http_body){.framing = HTTP_CHUNKED};
            assert_int_equal(feed(&body, more, length - 1, step, &bad), length - 1);
            assert_false(http_body_done(&body));
        }
    }
}

static void malformed_chunks_are_bad_at_their_first_bad_byte(void **state)
{
    static const struct {
        const char *bytes;
        size_t good; /* bytes before the fault */
    } cases[] = {
        {"\r\n", 0},
        {";x\r\n", 0},
        {"-1\r\n", 0},
        {"+1\r\n", 0},
        {"g\r\n", 0},
        {" 5\r\n", 0},
        {"0x5\r\n", 1},
        {"5\n", 1},
        {"5\r5", 2},
        {"5 \r\n", 2},
        {"5 5\r\n", 2},
        {"5;a\n", 3},
        {"5;a\rb", 4},
        {"10000000000000000\r\n", 16},
        {"5\r\nhelloX", 8},
        {"5\r\nhello\n", 8},
        {"5\r\nhello\rX", 9},
        {"0\r\n\n", 3},
        {"0\r\n\rX", 4},
        {"0\r\n folded: x\r\n", 3},
        {"0\r\nno colon\r\n", 5},
        {"0\r\nX : y\r\n", 4},
        {"0\r\nX: y\n", 7},
        {"0\r\nX: y\rz", 8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length = strlen(cases[i].bytes);
        for (size_t step = 1; step <= length; step++) {
            struct http_body body = {.framing = HTTP_CHUNKED};
            bool bad;
            assert_int_equal(feed(&body, cases[i].bytes, length, step, &bad), cases[i].good);
            assert_true(bad);
            assert_false(http_body_done(&body));
            bad = false;
            assert_int_equal(http_body_take(&body, (const uint8_t *)"0\r\n\r\n", 5, &bad), 0);
            assert_true(bad);
        }
    }
}

static void the_largest_chunk_is_counted(void **state)
{
    struct http_body body = {.framing = HTTP_CHUNKED};
    bool bad;
    (void)state;
    assert_int_equal(feed(&body, "ffffffffffffffff\r\nx", 19, 19, &bad), 19);
    assert_int_equal(body.left, UINT64_MAX - 1);
    assert_false(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_is_counted),
        cmocka_unit_test(no_body_takes_nothing_and_until_close_takes_all),
        cmocka_unit_test(chunks_end_with_the_last_one),
        cmocka_unit_test(malformed_chunks_are_bad_at_their_first_bad_byte),
        cmocka_unit_test(the_largest_chunk_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Gives a parser each case as a network might: byte by byte, whole, and with bytes after it. */
#ifndef ADIT_T_UNIT_PARSE_H
#define ADIT_T_UNIT_PARSE_H

#include "wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1

#define TEXT_10 "abcdefghi."
#define TEXT_50 TEXT_10 TEXT_10 TEXT_10 TEXT_10 TEXT_10
#define TEXT_255 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50 "abcde"

/* A parser's face for these tests; what else it fills stays with the test. */
typedef enum wire_status parse_fn(const uint8_t *bytes, size_t length, size_t *used);

/* On memory of exactly `length` bytes, so that a sanitizer sees a read beyond. */
static inline enum wire_status parse_exactly(parse_fn *parse, const uint8_t *bytes, size_t length,
                                             size_t *used)
{
    uint8_t *copy = calloc(length > 0 ? length : 1, 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    *used = SIZE_MAX;
    enum wire_status status = parse(copy, length, used);
    free(copy);
    return status;
}

/* The case is one whole message and no more: every beginning is WIRE_MORE, all of it WIRE_OK, and
 * what follows changes nothing. */
static inline void check_ok(const char *name, parse_fn *parse, const void *bytes, size_t length)
{
    static const char *const tails[] = {"\r\n", "\x05\x01", "GET / HTTP/1.1\r\n", ":", " "};
    size_t used;

    for (size_t i = 0; i < length; i++)
        if (parse_exactly(parse, bytes, i, &used) != WIRE_MORE)
            fail_msg("%s: not WIRE_MORE after %zu bytes", name, i);
    if (parse_exactly(parse, bytes, length, &used) != WIRE_OK || used != length)
        fail_msg("%s: not WIRE_OK with all its %zu bytes", name, length);
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        size_t tail = strlen(tails[i]);
        uint8_t *more = malloc(length + tail);
        assert_non_null(more);
        memcpy(more, bytes, length);
        memcpy(more + length, tails[i], tail);
        if (parse_exactly(parse, more, length + tail, &used) != WIRE_OK || used != length)
            fail_msg("%s: not the same with \"%s\" after it", name, tails[i]);
        free(more);
    }
}

/* The case is WIRE_BAD, and from its first bad byte on; returns how many bytes it took to see that.
 */
static inline size_t check_bad(const char *name, parse_fn *parse, const void *bytes, size_t length)
{
    size_t used, first = SIZE_MAX;

    for (size_t i = 0; i <= length; i++) {
        enum wire_status status = parse_exactly(parse, bytes, i, &used);
        if (status == WIRE_OK)
            fail_msg("%s: WIRE_OK after %zu bytes", name, i);
        if (status == WIRE_BAD && first == SIZE_MAX)
            first = i;
        if (status == WIRE_MORE && first != SIZE_MAX)
            fail_msg("%s: WIRE_BAD and then WIRE_MORE after %zu bytes", name, i);
    }
    if (first == SIZE_MAX)
        fail_msg("%s: never WIRE_BAD", name);
    return first;
}

#endif

/* What holds for every parser of wire/: its verdict on some bytes does not change when more follow.
 */
#ifndef ADIT_T_FUZZ_PREFIX_H
#define ADIT_T_FUZZ_PREFIX_H

#include "wire/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef enum wire_status parse_fn(const uint8_t *bytes, size_t length, size_t *used);

/* On memory of exactly `length` bytes, so that a sanitizer sees a read beyond. */
static inline enum wire_status parse_exactly(parse_fn *parse, const uint8_t *bytes, size_t length,
                                             size_t *used)
{
    uint8_t *copy = calloc(length > 0 ? length : 1, 1);
    assert(copy != NULL);
    if (length > 0)
        memcpy(copy, bytes, length);
    enum wire_status status = parse(copy, length, used);
    free(copy);
    return status;
}

/* Parses the whole and its beginnings (all of them when they are few); returns the verdict on the
 * whole. */
static inline enum wire_status check_prefixes(parse_fn *parse, const uint8_t *bytes, size_t length,
                                              size_t *used)
{
    size_t step = length / 256 + 1, used_before = 0;
    enum wire_status before = WIRE_MORE;
    for (size_t i = 0; i < length; i += step) {
        size_t now = 0;
        enum wire_status status = parse_exactly(parse, bytes, i, &now);
        assert(before == WIRE_MORE || status == before);
        assert(before != WIRE_OK || now == used_before);
        before = status;
        used_before = now;
    }
    enum wire_status status = parse_exactly(parse, bytes, length, used);
    assert(before == WIRE_MORE || status == before);
    assert(before != WIRE_OK || *used == used_before);
    if (status != WIRE_OK)
        return status;
    assert(*used > 0 && *used <= length);
    size_t less;
    assert(parse_exactly(parse, bytes, *used - 1, &less) == WIRE_MORE);
    return status;
}

/* What every target that a parser gives is. */
static inline void check_target(const struct wire_target *target)
{
    size_t length = strnlen(target->host, sizeof target->host);
    assert(length > 0 && length <= HOST_MAX);
    struct wire_target again;
    assert(wire_target_set(&again, target->host, length, target->port));
    assert(target->is_ip == again.is_ip);
    if (target->is_ip)
        assert(ip_equal(&target->ip, &again.ip) && strcmp(target->host, again.host) == 0);
}

#endif

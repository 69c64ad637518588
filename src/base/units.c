/* Reading and writing numbers with units. */
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DURATION_MAX (UINT64_C(10) * 365 * 24 * 60 * 60 * 1000)

struct unit {
    const char *name;
    uint64_t worth;
};

/* Largest first: a value is written in the first unit that divides it. Each ends with the unit of
 * the value itself. */
static const struct unit duration_units[] = {
    {"w", UINT64_C(7) * 24 * 60 * 60 * 1000},
    {"d", 24 * 60 * 60 * 1000},
    {"h", 60 * 60 * 1000},
    {"m", 60 * 1000},
    {"s", 1000},
    {"ms", 1},
};
#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

static const struct unit size_units[] = {
    {"g", 1024 * 1024 * 1024},
    {"m", 1024 * 1024},
    {"k", 1024},
    {"", 1},
};
#define SIZE_UNITS (sizeof(size_units) / sizeof(size_units[0]))

/* Reads digits at *text and moves it behind them; false without any, or over UINT64_MAX. */
static bool digits_parse(const char **text, uint64_t *value)
{
    const char *p = *text;
    uint64_t sum = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*p - '0'), &sum))
            return false;
    }
    *text = p;
    *value = sum;
    return true;
}

/* The worth of the unit whose name is the `length` bytes at `name`; 0 if there is none. */
static uint64_t unit_worth(const struct unit *units, size_t count, const char *name, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == length && strncasecmp(units[i].name, name, length) == 0)
            return units[i].worth;
    }
    return 0;
}

/* Writes the value in the largest unit that divides it, or `zero`. */
static const char *unit_format(const struct unit *units, uint64_t value, const char *zero,
                               char *text, size_t size)
{
    if (value == 0) {
        snprintf(text, size, "%s", zero);
        return text;
    }
    while (value % units->worth != 0)
        units++;
    snprintf(text, size, "%" PRIu64 "%s", value / units->worth, units->name);
    return text;
}

bool duration_parse(const char *text, uint64_t *milliseconds)
{
    uint64_t sum = 0;

    do {
        uint64_t part;
        if (!digits_parse(&text, &part))
            return false;
        size_t length = strcspn(text, "0123456789");
        uint64_t worth = *text ? unit_worth(duration_units, DURATION_UNITS, text, length) : 1000;
        if (worth == 0 || part > (DURATION_MAX - sum) / worth)
            return false;
        sum += part * worth;
        text += length;
    } while (*text);

    *milliseconds = sum;
    return true;
}

const char *duration_format(uint64_t milliseconds, char text[static DURATION_TEXT_MAX])
{
    return unit_format(duration_units, milliseconds, "0s", text, DURATION_TEXT_MAX);
}

bool size_parse(const char *text, uint64_t *bytes)
{
    uint64_t number;

    if (!digits_parse(&text, &number))
        return false;
    uint64_t worth = unit_worth(size_units, SIZE_UNITS, text, strlen(text));
    return worth != 0 && !__builtin_mul_overflow(number, worth, bytes);
}

const char *size_format(uint64_t bytes, char text[static SIZE_TEXT_MAX])
{
    return unit_format(size_units, bytes, "0", text, SIZE_TEXT_MAX);
}

bool integer_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t number;

    if (!digits_parse(&text, &number) || *text != '\0' || number < min || number > max)
        return false;
    *value = number;
    return true;
}

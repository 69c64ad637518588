/* Numbers with units as the configuration writes them. */
#ifndef ADIT_BASE_UNITS_H
#define ADIT_BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* "15" and "15s" are seconds, "200ms", "2m", "1h", "1d", and sums as sshd_config(5) TIME FORMATS
 * has them
 * ("1h30m"; "w" is a week, case is no matter). Result in milliseconds. False: malformed or over 10
 * years. */
bool duration_parse(const char *text, uint64_t *milliseconds);

/* One number in the largest unit that divides it, which duration_parse reads back to the same
 * value: "15s", "2m", "250ms", "0s". */
#define DURATION_TEXT_MAX 32
const char *duration_format(uint64_t milliseconds, char text[static DURATION_TEXT_MAX]);

/* "64", "64k", "16m", "1g" (also upper case; in steps of 1024, as ssh_config's RekeyLimit), in
 * bytes. */
bool size_parse(const char *text, uint64_t *bytes);
#define SIZE_TEXT_MAX 32
const char *size_format(uint64_t bytes, char text[static SIZE_TEXT_MAX]);

/* A decimal integer min..max that fills `text` whole. */
bool integer_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);

#endif

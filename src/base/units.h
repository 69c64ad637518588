/* Numbers with units as the configuration writes them. */
#ifndef ADIT_BASE_UNITS_H
#define ADIT_BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a duration into milliseconds: "15" and "15s" are seconds, "200ms", "2m", "1h", "1d", "1w",
 * and sums as sshd_config(5) TIME FORMATS has them ("1h30m"), in either case. False: the text is no
 * duration, or one of over 10 years. */
bool duration_parse(const char *text, uint64_t *milliseconds);

/* Writes one number in the largest unit that divides it, which duration_parse reads back to the
 * same value: "15s", "2m", "250ms", "0s". */
#define DURATION_TEXT_MAX 32
const char *duration_format(uint64_t milliseconds, char text[static DURATION_TEXT_MAX]);

/* Reads and writes a number of bytes: "64", "64k", "16m", "1g", in either case, in steps of 1024 as
 * RekeyLimit of ssh_config(5). */
bool size_parse(const char *text, uint64_t *bytes);
#define SIZE_TEXT_MAX 32
const char *size_format(uint64_t bytes, char text[static SIZE_TEXT_MAX]);

/* Reads a decimal integer min..max that fills `text` whole. False: it is none. */
bool integer_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);

#endif

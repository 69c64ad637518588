/* The protocol between `adit -O` and a running adit: one JSON object a line, each way. A request
 * names its "command"; an answer has "ok", and where that is false the "error" and the exit
 * "status". Pure; any thread. */
#ifndef ADIT_CONTROL_PROTOCOL_H
#define ADIT_CONTROL_PROTOCOL_H

#include "wire/wire.h"

#include <jansson.h>

/* Longer lines are refused. */
#define CONTROL_REQUEST_MAX ((size_t)64 * 1024)
#define CONTROL_ANSWER_MAX ((size_t)16 * 1024 * 1024)

/* Parses the first line of what has come so far, at most `max` bytes without its end. WIRE_OK:
 * `*object` is the caller's, and `*used` bytes were taken. WIRE_BAD: `*wrong` says why, and what
 * follows cannot be parsed either. */
enum wire_status control_parse(const uint8_t *bytes, size_t length, size_t max, size_t *used,
                               json_t **object, const char **wrong);

/* The object as one line, with its end; the caller frees. */
char *control_print(const json_t *object);

/* {"ok": true}, and {"ok": false, "error": ..., "status": ...}; the caller's. */
json_t *control_ok(void);
json_t *control_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A member of an object as a string; NULL when there is none of that name and type. */
const char *control_text(const json_t *object, const char *key);

#endif

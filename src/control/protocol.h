/* What `adit -O` and a running adit say to each other: a JSON object a line, each way. A request
 * names its "command"; an answer says whether it is "ok", and if not which "error" and what exit
 * "status" it is worth. */
#ifndef ADIT_CONTROL_PROTOCOL_H
#define ADIT_CONTROL_PROTOCOL_H

#include "wire/wire.h"

#include <jansson.h>

/* Longer lines are refused. */
#define CONTROL_REQUEST_MAX ((size_t)64 * 1024)
#define CONTROL_ANSWER_MAX ((size_t)16 * 1024 * 1024)

/* The first line of what has come so far, at most `max` bytes without its end. WIRE_OK: `*object`
 * is the caller's, and `*used` bytes are over. WIRE_BAD: `*wrong` says why; nothing after it can be
 * made sense of. */
enum wire_status control_parse(const uint8_t *bytes, size_t length, size_t max, size_t *used,
                               json_t **object, const char **wrong);

/* One line, with its end; the caller frees. */
char *control_print(const json_t *object);

/* {"ok": true}, and {"ok": false, "error": ..., "status": ...}; the caller's. */
json_t *control_ok(void);
json_t *control_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A member of an object as a string; NULL when there is none of that name and type. */
const char *control_text(const json_t *object, const char *key);

#endif

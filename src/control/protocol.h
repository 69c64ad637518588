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

/* A line that was parsed. */
struct control_line {
    size_t used;       /* WIRE_OK: the bytes of the line, with its end */
    json_t *object;    /* WIRE_OK: the caller's reference; else left alone */
    const char *wrong; /* WIRE_BAD: why; what follows the line cannot be parsed either */
};

/* Parses the first line of what has come so far, at most `max` bytes without its end. */
enum wire_status control_parse(const uint8_t *bytes, size_t length, size_t max,
                               struct control_line *line);

/* The object as one line, with its end; the caller frees. */
char *control_print(const json_t *object);

/* {"ok": true}, and {"ok": false, "error": ..., "status": ...}; the caller's. */
json_t *control_ok(void);
json_t *control_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A member of an object as a string; NULL when there is none of that name and type. */
const char *control_text(const json_t *object, const char *key);

#endif

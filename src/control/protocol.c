/* Lines of JSON. */
#include "control/protocol.h"

#include "base/json_text.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum wire_status control_parse(const uint8_t *bytes, size_t length, size_t max,
                               struct control_line *line)
{
    const uint8_t *end = length > 0 ? memchr(bytes, '\n', length) : NULL;
    size_t size = end != NULL ? (size_t)(end - bytes) : length;
    json_t *value;

    if (size > max) {
        line->wrong = "the line is too long";
        return WIRE_BAD;
    }
    if (end == NULL)
        return WIRE_MORE;
    value = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(value)) {
        json_decref(value);
        line->wrong = "the line is not a JSON object";
        return WIRE_BAD;
    }
    line->object = value;
    line->used = size + 1;
    return WIRE_OK;
}

char *control_print(const json_t *object)
{
    char *text = json_dumps(object, JSON_TEXT_FLAGS | JSON_COMPACT);
    char *line;

    if (text == NULL) /* every object here is valid: memory is lacking */
        abort();
    line = mem_printf("%s\n", text);
    free(text);
    return line;
}

json_t *control_ok(void)
{
    return json_pack("{s:b}", "ok", 1);
}

json_t *control_error(int status, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return json_pack("{s:b, s:o, s:i}", "ok", 0, "error", json_text(text), "status", status);
}

const char *control_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

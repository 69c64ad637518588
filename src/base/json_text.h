/* Text that anybody may have written, as a JSON string. */
#ifndef ADIT_BASE_JSON_TEXT_H
#define ADIT_BASE_JSON_TEXT_H

#include <jansson.h>

/* A new string of JSON, the caller's. JSON is UTF-8: bytes of the text that are none become "\xHH".
 * NULL gives null. */
json_t *json_text(const char *text);

#endif

/* Text that anybody may have written, as a JSON string. */
#ifndef ADIT_BASE_JSON_TEXT_H
#define ADIT_BASE_JSON_TEXT_H

#include <jansson.h>

/* A new string. JSON wants UTF-8: of text that is not, the odd bytes become "\xHH". NULL gives
 * null. */
json_t *json_text(const char *text);

#endif

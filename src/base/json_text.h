/* Text that anybody may have written, as a JSON string. */
#ifndef ADIT_BASE_JSON_TEXT_H
#define ADIT_BASE_JSON_TEXT_H

#include <jansson.h>

/* A new string of JSON, the caller's. JSON is UTF-8: of a text that
 * is not, each byte that is not shown (base/visible.h) becomes "\xNN".
 * NULL gives null. */
json_t *json_text(const char *text);

/* Of json_dumps(3) and its kin: text beyond ASCII is written as "\uNNNN", so that no terminal that
 * shows it acts upon it, and none of it is lost. A number with a fraction has no more digits than
 * are exact. */
#define JSON_TEXT_FLAGS (JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15))

#endif

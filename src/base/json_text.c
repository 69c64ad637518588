/* Text that anybody may have written, as a JSON string. */
#include "base/json_text.h"

#include "base/visible.h"

#include <stdlib.h>

json_t *json_text(const char *text)
{
    json_t *value = text != NULL ? json_string(text) : json_null();

    if (value == NULL && text != NULL) {
        char *safe = text_visible(text);

        value = json_string(safe);
        free(safe);
    }
    return value;
}

/* Text that anybody may have written, as a JSON string. */
#include "base/json_text.h"

#include <stdio.h>
#include <stdlib.h>

json_t *json_text(const char *text)
{
    json_t *value = text != NULL ? json_string(text) : json_null();

    if (value == NULL && text != NULL) {
        char *safe = NULL;
        size_t length;
        FILE *out = open_memstream(&safe, &length);
        for (const unsigned char *c = (const unsigned char *)text; out != NULL && *c != '\0'; c++)
            fprintf(out, *c < 0x80 ? "%c" : "\\x%02x", *c);
        if (out != NULL)
            fclose(out);
        value = json_string(safe);
        free(safe);
    }
    return value;
}

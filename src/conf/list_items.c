/* The items of comma lists, which can have commas of their own. */
#include "conf/types.h"

#include "base/mem.h"

#include <string.h>

char *list_next_item(char **rest)
{
    char *item = *rest;
    char *to = item;

    for (char *from = item; item; from++) {
        if (*from == ',' || *from == '\0') {
            *rest = *from ? from + 1 : NULL;
            *to = '\0';
            break;
        }
        from += from[0] == '\\' && from[1] == ',';
        *to++ = *from;
    }
    return item;
}

char *list_item_escape(const char *item)
{
    char *text = mem_zalloc(2 * strlen(item) + 1);

    for (char *to = text; *item; item++) {
        if (*item == ',')
            *to++ = '\\';
        *to++ = *item;
    }
    return text;
}

/* The items of comma lists, which can have commas of their own. */
#include "conf/list_items.h"

#include "base/mem.h"

#include <stdlib.h>
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

bool list_each_item(struct key_slot slot, struct key_input *in,
                    bool (*take)(struct key_slot slot, struct key_input *in, const char *item))
{
    char *rest = in->text;

    while (rest) {
        char *item = list_next_item(&rest);
        item += strspn(item, " \t");
        size_t length = strlen(item);
        while (length > 0 && strchr(" \t", item[length - 1]))
            item[--length] = '\0';
        if (length == 0)
            return input_refuse(in, "an item of the list is empty");
        if (!take(slot, in, item))
            return false;
    }
    return true;
}

void string_list_append(struct string_list *list, char *item)
{
    LIST_APPEND(list->items, list->count);
    list->items[list->count++] = item;
}

void string_list_clear(struct string_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct string_list){0};
}

void list_put(struct buffer *text, const char *item)
{
    size_t length = buffer_length(text);
    /* (A comma right behind a backslash would be read as a part of the item.) */
    bool apart = length > 0 && buffer_data(text)[length - 1] == '\\';

    text_add(text, "%s", length == 0 ? "" : apart ? " , " : ", ");
    for (; *item; item++)
        text_add(text, "%s%c", *item == ',' ? "\\" : "", *item);
}

char *list_take(struct buffer *text)
{
    return buffer_length(text) > 0 ? text_take(text) : NULL;
}

int list_word(const struct key *key, struct key_input *in, const char *item)
{
    int index = word_index(key->words, item);

    if (index < 0) {
        char *form = key_form(key);
        input_refuse(in, "'%s' is not %s", item, form);
        free(form);
    }
    return index;
}

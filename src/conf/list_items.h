/* Reading and printing the items of comma lists. Only for the kinds of values that are lists. */
#ifndef ADIT_CONF_LIST_ITEMS_H
#define ADIT_CONF_LIST_ITEMS_H

#include "base/buffer.h"
#include "conf/types.h"

/* Another element at the end of an array of `count`; the caller counts it. */
#define LIST_APPEND(array, count) ((array) = mem_realloc((array), ((count) + 1) * sizeof(*(array))))

/* Reads every item of a comma list by `take`, which may refuse it; false at the first that is empty
 * or refused. */
bool list_each_item(struct key_slot slot, struct key_input *in,
                    bool (*take)(struct key_slot slot, struct key_input *in, const char *item));

/* Another item at the end of a printed list, its commas escaped. */
void list_put(struct buffer *text, const char *item);

/* A printed list; NULL if it has no items. The caller frees. */
char *list_take(struct buffer *text);

/* The index of an item among the key's words; -1 with the input refused if it is none. */
int list_word(const struct key *key, struct key_input *in, const char *item);

#endif

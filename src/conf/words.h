/* Words: how the serialiser writes values, so that every byte comes back.
 *
 * A word is a string in double quotes. Inside, \" and \\ stand for themselves, and \xNN (two
 * lower-case hexadecimal digits) for a byte below 0x20 or for 0x7f; every other byte is written as
 * it is. A line's words stand one blank apart and never hold a newline. Only conf/serialise.c and
 * conf/stores.c use this; any thread may. */
#ifndef ADIT_CONF_WORDS_H
#define ADIT_CONF_WORDS_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* Appends a blank and the word. */
void word_add(struct buffer *line, const char *text);
void word_add_number(struct buffer *line, uint64_t number);

/* Reads the words of one line, which must outlive the reader. */
struct word_reader {
    const char *at; /* the blank before the next word, or the line's end */
    const char *end;
    bool bad; /* something stood there that word_add does not write */
};

/* The words of a line that is in a buffer, which must not change meanwhile. */
struct word_reader word_reader_of(const struct buffer *line);

/* The next word; the caller frees. NULL: there are no more, or `bad` was set. */
char *word_next(struct word_reader *words);

/* The next word as a number up to `max`. False: there is none, and `bad` was set. */
bool word_next_number(struct word_reader *words, uint64_t max, uint64_t *number);

/* Whether all words were read, and each was well formed. */
bool words_ended(const struct word_reader *words);

#endif

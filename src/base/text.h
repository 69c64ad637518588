/* Characters that lie elsewhere, in a file or a message, and are not ended by a NUL. Pure; any
 * thread. What one is a part of has its owner and its life. */
#ifndef ADIT_BASE_TEXT_H
#define ADIT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
    const char *at;
    size_t length;
};

/* Moves the beginning on by `count` characters, which must be there. */
static inline void text_skip(struct text *text, size_t count)
{
    text->at += count;
    text->length -= count;
}

/* Whether the characters are those of a string, letters in the same case. */
static inline bool text_is(struct text text, const char *string)
{
    return text.length == strlen(string) && memcmp(text.at, string, text.length) == 0;
}

/* The beginning up to the first character `end`, without it; all of the text where there is none.
 */
static inline struct text text_until(struct text text, char end)
{
    const char *found = text.length > 0 ? memchr(text.at, end, text.length) : NULL;

    return (struct text){text.at, found != NULL ? (size_t)(found - text.at) : text.length};
}

/* The same, taken off the beginning together with the `end`. */
static inline struct text text_take_until(struct text *text, char end)
{
    struct text taken = text_until(*text, end);

    text_skip(text, taken.length + (taken.length < text->length));
    return taken;
}

#endif

/* Quoted words. */
#include "conf/words.h"

#include "base/mem.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void word_add(struct buffer *line, const char *text)
{
    buffer_append(line, " \"", 2);
    while (*text) {
        unsigned char c = (unsigned char)*text;
        char escape[8];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof(escape), "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            snprintf(escape, sizeof(escape), "\\x%02x", c);
        else
            snprintf(escape, sizeof(escape), "%c", c);
        buffer_append(line, escape, strlen(escape));
        text++;
    }
    buffer_append(line, "\"", 1);
}

void word_add_number(struct buffer *line, uint64_t number)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRIu64, number);
    word_add(line, digits);
}

struct word_reader word_reader_of(const struct buffer *line)
{
    const char *bytes = (const char *)buffer_data(line);
    size_t length = buffer_length(line);

    return (struct word_reader){.at = bytes, .end = length > 0 ? bytes + length : bytes};
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads what follows a backslash, up to `end`, and moves `*at` behind it. -1: it is no escape. */
static int read_escape(const char **at, const char *end)
{
    const char *from = *at;

    if (from < end && (*from == '"' || *from == '\\')) {
        *at = from + 1;
        return (unsigned char)*from;
    }
    if (end - from < 3 || *from != 'x')
        return -1;
    int high = hex_value(from[1]);
    int low = hex_value(from[2]);
    *at = from + 3;
    return high < 0 || low < 0 || (high == 0 && low == 0) ? -1 : high << 4 | low;
}

/* Takes one character of a word; -1: there is none, and the word is not well formed. */
static int read_character(const char **at, const char *end)
{
    const char *from = *at;

    if (from == end)
        return -1;
    *at = from + 1;
    return *from == '\\' ? read_escape(at, end) : (unsigned char)*from;
}

char *word_next(struct word_reader *words)
{
    const char *at = words->at;

    if (words->bad || at == words->end)
        return NULL;
    words->bad = words->end - at < 3 || at[0] != ' ' || at[1] != '"';
    if (words->bad)
        return NULL;
    at += 2;
    char *text = mem_zalloc((size_t)(words->end - at) + 1);
    char *to = text;
    while (at < words->end && *at != '"') {
        int c = read_character(&at, words->end);
        words->bad = words->bad || c < 0;
        *to++ = (char)c;
    }
    words->bad = words->bad || at == words->end;
    if (words->bad) {
        free(text);
        return NULL;
    }
    words->at = at + 1;
    return text;
}

bool word_next_number(struct word_reader *words, uint64_t max, uint64_t *number)
{
    char *text = word_next(words);
    bool ok = text != NULL && integer_parse(text, 0, max, number);

    words->bad = words->bad || !ok;
    free(text);
    return ok;
}

bool words_ended(const struct word_reader *words)
{
    return !words->bad && words->at == words->end;
}

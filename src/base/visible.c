/* Which characters are shown. */
#include "base/visible.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Decodes the UTF-8 character at the beginning; its length, or 0 if there is none: a byte that
 * begins no character, one that is cut short, and longer forms than needed (RFC 3629 section 3). */
static size_t decode_utf8(const unsigned char *c, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = c[0] < 0x80    ? 1
                    : c[0] < 0xc2  ? 0
                    : c[0] < 0xe0  ? 2
                    : c[0] < 0xf0  ? 3
                    : c[0] <= 0xf4 ? 4
                                   : 0;

    if (length == 0)
        return 0;
    *character = length == 1 ? c[0] : c[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        *character = *character << 6 | (c[i] & 0x3f);
    }
    if (*character < least[length] || *character > 0x10ffff ||
        (*character >= 0xd800 && *character <= 0xdfff))
        return 0;
    return length;
}

static bool is_acted_upon(uint32_t character)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x0000, 0x001f}, {0x007f, 0x009f}, {0x00ad, 0x00ad},   {0x061c, 0x061c},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return true;
    return false;
}

size_t visible_character(const char *text)
{
    uint32_t character;
    size_t length = decode_utf8((const unsigned char *)text, &character);

    return length == 0 || is_acted_upon(character) ? 0 : length;
}

size_t visible_length(const char *text)
{
    const char *at = text;

    for (;;) {
        /* (Most texts are printable ASCII.) */
        while (*at >= ' ' && *at <= '~')
            at++;
        size_t length = visible_character(at);
        if (length == 0)
            return (size_t)(at - text);
        at += length;
    }
}

char *text_visible(const char *text)
{
    char *copy = mem_zalloc(4 * strlen(text) + 1);
    char *to = copy;

    for (;;) {
        size_t length = visible_length(text);
        memcpy(to, text, length);
        to += length;
        text += length;
        if (*text == '\0')
            break;
        to += sprintf(to, "\\x%02x", (unsigned char)*text);
        text++;
    }
    *to = '\0';
    return copy;
}

void text_mark_invisible(char *text, char mark)
{
    for (;;) {
        text += visible_length(text);
        if (*text == '\0')
            break;
        *text++ = mark;
    }
}

char *text_lines(const char *text)
{
    const char *from = text != NULL ? text : "";
    char *words = mem_strdup(from);
    char *to = words;

    while (*from != '\0') {
        size_t length = visible_character(from);
        if (length == 0 && (*from == '\n' || *from == '\t'))
            *to++ = *from == '\t' ? ' ' : '\n';
        memmove(to, from, length);
        to += length;
        from += length > 0 ? length : 1;
    }
    *to = '\0';
    return words;
}

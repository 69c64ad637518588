/* Forwards with blanks in paths, as forward_spec_parse reads them. */
#include "conf/forward_spec.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/types.h"

#include <stdlib.h>
#include <string.h>

static bool is_blank_char(char c)
{
    return c == ' ' || c == '\t';
}

/* (A backslash and what it stands before are taken together; in brackets a blank is a blank.) */
char *forward_text_of_argument(const char *text)
{
    struct buffer out = {0};
    bool bracket = false;

    for (const char *c = text; *c; c++) {
        if (c == text || c[-1] == ':')
            bracket = *c == '[';
        if (*c == '\\' && !bracket && c[1])
            text_add(&out, "%c%c", c[0], c[1]), c++;
        else
            text_add(&out, "%s%c", is_blank_char(*c) && !bracket ? "\\" : "", *c);
        bracket = bracket && *c != ']';
    }
    return buffer_length(&out) > 0 ? text_take(&out) : mem_strdup("");
}

/* The place of "[HOST]:PORT" at the end of the text, behind a blank; NULL: it does not end so. */
static const char *host_at_end(const char *text)
{
    const char *end = text + strlen(text), *at = end;

    while (at > text && at[-1] >= '0' && at[-1] <= '9')
        at--;
    if (at == end || at - text < 3 || at[-1] != ':' || at[-2] != ']')
        return NULL;
    while (at > text && *at != '[')
        at--;
    return at > text && is_blank_char(at[-1]) ? at : NULL;
}

/* The place of the one path behind a blank; NULL: there is none, or there are several. */
static const char *only_path(const char *text)
{
    const char *found = strstr(text, " /");

    return found && !strstr(found + 1, " /") ? found + 1 : NULL;
}

/* Where the target begins; NULL: it cannot be told. */
static const char *target_of(const char *text)
{
    const char *close = *text == '[' ? strchr(text, ']') : text;
    const char *host = host_at_end(text);

    if (!close)
        return NULL;
    const char *end = close + strcspn(close, " \t");

    /* A port, or an address in brackets and a port, has no blank in it. */
    if (*end && !memchr(text, '/', (size_t)(end - text)))
        return end + 1;
    return host ? host : only_path(text);
}

/* An end as it is, or the path that it is with a backslash before what would end it. */
static void add_end(struct buffer *out, const char *end, size_t length)
{
    bool is_path = *end != '[' && memchr(end, '/', length);

    for (size_t i = 0; i < length; i++)
        text_add(out, "%s%c", is_path && strchr("\\: \t", end[i]) ? "\\" : "", end[i]);
}

char *forward_text_of_answer(const char *text)
{
    const char *target = target_of(text);
    struct buffer out = {0};

    if (!target)
        return mem_strdup(text);
    add_end(&out, text, (size_t)(target - 1 - text));
    text_add(&out, " ");
    add_end(&out, target, strlen(target));
    return text_take(&out);
}

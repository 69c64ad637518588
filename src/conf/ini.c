/* Reading an INI file through inih, one entry at a time.
 *
 * inih alone is silent where it matters: it cuts lines and names that do not fit its buffers, says
 * nothing of a section without keys, does not tell a continued value from a repeated key, and
 * reports the first syntax error only. So ini_parse_stream runs once for each section header and
 * once for each key with the lines that continue it, and its reader callback sees to it that what
 * inih is given is what inih can hold. */
#include "conf/ini.h"

#include "base/buffer.h"
#include "base/mem.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
    const char *text; /* without its end */
    size_t length;
    size_t indent; /* how many blanks it begins with */
};

struct source {
    const char *at;
    const char *end;
    unsigned number; /* of the line before `at` */
    const struct ini_events *events;
    void *arg;
};

/* One run of inih: a header, or a key and its value. */
struct entry {
    struct source *source;
    struct line first;
    unsigned line;  /* the first line's number */
    unsigned given; /* how many lines inih was given */
    bool header;
    bool bad;            /* a problem of it was reported */
    bool cut;            /* a comment was left out after a value */
    char *name;          /* the section's or the key's */
    struct buffer value; /* the value's lines */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Looks at the next line without taking it; false at the end. */
static bool peek_line(const struct source *source, struct line *line)
{
    size_t left = (size_t)(source->end - source->at);

    if (left == 0)
        return false;
    const char *end = memchr(source->at, '\n', left);
    line->text = source->at;
    line->length = end ? (size_t)(end - source->at) : left;
    if (line->length > 0 && line->text[line->length - 1] == '\r')
        line->length--;
    line->indent = 0;
    while (line->indent < line->length && is_blank(line->text[line->indent]))
        line->indent++;
    return true;
}

static void ini_take_line(struct source *source)
{
    const char *end = memchr(source->at, '\n', (size_t)(source->end - source->at));

    source->at = end ? end + 1 : source->end;
    source->number++;
}

/* Whether a line says nothing. */
static bool is_idle(const struct line *line)
{
    return line->indent == line->length || line->text[line->indent] == ';' ||
           line->text[line->indent] == '#';
}

/* The length of the line without a " ; comment" at its end. */
static size_t length_without_comment(const struct line *line)
{
    for (size_t i = line->indent + 1; i < line->length; i++) {
        if (line->text[i] == ';' && is_blank(line->text[i - 1]))
            return i;
    }
    return line->length;
}

static void problem(struct entry *entry, unsigned number, const char *message)
{
    entry->bad = true;
    entry->source->events->problem(entry->source->arg, number, message);
}

/* Whether inih and everything after it takes the line as it is. */
static bool line_fits(struct entry *entry, const char *text, size_t length, size_t most)
{
    unsigned number = entry->source->number;
    char message[100];

    for (size_t i = 0; i < length; i++) {
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f) {
            problem(entry, number, "a control character in the line");
            return false;
        }
    }
    if (length > most) {
        snprintf(message, sizeof(message),
                 "line too long (%zu bytes at most; continue it on an indented line)", most);
        problem(entry, number, message);
        return false;
    }
    return true;
}

/* inih's reader: the entry's next line, or NULL where another entry begins. */
static char *give_line(char *buffer, int size, void *arg)
{
    struct entry *entry = arg;
    struct line line;

    /* inih tells of a section only with a key in it: here is one. */
    if (entry->header && entry->given > 0)
        return entry->given++ == 1 ? strcpy(buffer, "=\n") : NULL;
    if (!peek_line(entry->source, &line))
        return NULL;
    if (entry->given > 0 && !is_idle(&line) && line.indent <= entry->first.indent)
        return NULL;
    ini_take_line(entry->source);
    entry->given++;

    /* What is not given must still be a line, for inih goes on. */
    buffer[0] = '\0';
    if (!is_idle(&line)) {
        size_t length = length_without_comment(&line);
        entry->cut |= length < line.length;
        if (line_fits(entry, line.text, length, (size_t)size - 2)) {
            memcpy(buffer, line.text, length);
            buffer[length] = '\0';
        }
    }
    return strcat(buffer, "\n");
}

/* A ';' or '#' where it would be read as a comment if it stood elsewhere: what follows is hardly
 * meant as a value. */
static bool has_comment_sign(const char *value)
{
    for (const char *c = value; *c; c++) {
        if ((*c == ';' || *c == '#') && (c == value || is_blank(c[-1]) || c[-1] == ','))
            return true;
    }
    return false;
}

/* inih's handler. */
static int ini_take_value(void *arg, const char *section, const char *name, const char *value)
{
    struct entry *entry = arg;

    if (entry->header) {
        free(entry->name);
        entry->name = mem_strdup(section);
        return 1;
    }
    if (entry->name)
        buffer_append(&entry->value, "\n", 1);
    else
        entry->name = mem_strdup(name);
    buffer_append(&entry->value, value, strlen(value));
    if (has_comment_sign(value))
        problem(entry, entry->source->number, "a comment after a value is written ' ; comment'");
    return 1;
}

/* Whether the line is "[name]" and nothing more: inih cuts long names, and skips what follows. */
static bool header_whole(const struct line *line, const char *name)
{
    size_t length = strlen(name);
    size_t at = line->indent + 1;
    size_t end = length_without_comment(line);

    if (end - at <= length || memcmp(line->text + at, name, length) != 0 ||
        line->text[at + length] != ']')
        return false;
    for (at += length + 1; at < end; at++) {
        if (!is_blank(line->text[at]))
            return false;
    }
    return true;
}

static void finish_header(struct entry *entry, bool ok)
{
    struct source *source = entry->source;

    if (!entry->bad && !(ok && entry->name && header_whole(&entry->first, entry->name)))
        problem(entry, entry->line, "expected [section], with a name not longer than 49 bytes");
    source->events->section(source->arg, entry->line, entry->bad ? NULL : entry->name);
}

static void finish_value(struct entry *entry, bool ok)
{
    struct source *source = entry->source;

    if (!entry->bad && !(ok && entry->name && entry->name[0]))
        problem(entry, entry->line, "expected [section] or key = value");
    if (entry->bad)
        return;
    buffer_append(&entry->value, "", 1);
    char *text = mem_strdup((const char *)buffer_data(&entry->value));
    source->events->entry(source->arg, entry->line, entry->name, text, entry->cut);
    free(text);
}

static void read_entry(struct source *source, const struct line *first)
{
    struct entry entry = {.source = source, .first = *first, .line = source->number + 1};

    entry.header = first->text[first->indent] == '[';
    bool ok = ini_parse_stream(give_line, &entry, ini_take_value, &entry) == 0;
    if (entry.header)
        finish_header(&entry, ok);
    else
        finish_value(&entry, ok);
    free(entry.name);
    buffer_clear(&entry.value);
}

unsigned ini_events_read(const char *text, size_t length, const struct ini_events *events,
                         void *arg)
{
    struct source source = {.at = text, .end = text + length, .events = events, .arg = arg};
    struct line line;

    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        source.at += 3;
    while (peek_line(&source, &line)) {
        if (is_idle(&line))
            ini_take_line(&source);
        else
            read_entry(&source, &line);
    }
    return source.number;
}

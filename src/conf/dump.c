/* The configuration written back as INI. */
#include "conf/config.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/keys.h"
#include "conf/types.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 100     /* lists are broken before this */
#define LINE_MOST 198 /* what the reader can hold: nothing may be longer */

/* The length of the part of a value up to where its line may break. */
static size_t part_length(const char *text, enum key_join join)
{
    switch (join) {
    case JOIN_NONE: return strlen(text);
    case JOIN_COMMAS: return strcspn(text, ",") + (strchr(text, ',') != NULL);
    case JOIN_WORDS: break;
    }
    size_t length = strcspn(text, ", \t");
    return length + (text[length] == ',');
}

/* Writes "name = text", over several lines where it is long. */
static void write_value(struct buffer *out, const char *name, const char *text, enum key_join join)
{
    size_t column = strlen(name) + strlen(" =");
    size_t most = LINE_MOST; /* for the first part, which looks odd on a line of its own */
    const char *blank = " ";
    size_t blanks = 1; /* of `blank` */

    text_add(out, "%s =", name);
    while (*text) {
        size_t length = part_length(text, join);
        size_t shown = length;
        size_t end = column + blanks + length;
        /* A line's end is read as one blank, which is not what several were. */
        if (end > most && (blanks <= 1 || end > LINE_MOST)) {
            blank = length + 4 > LINE_MOST ? "\n " : "\n    ";
            blanks = strlen(blank);
            column = 0;
            /* A line's end is as good as the comma that makes it too long. */
            if (join == JOIN_COMMAS && length + 1 > LINE_MOST)
                shown--;
        }
        buffer_append(out, blank, blanks);
        buffer_append(out, text, shown);
        column += blanks + shown;
        text += length;
        blank = text;
        blanks = strspn(text, " \t");
        text += blanks;
        most = WIDTH;
    }
    text_add(out, "\n");
}

static void write_keys(struct buffer *out, const struct section *section, const void *object)
{
    for (size_t i = 0; i < section->key_count; i++) {
        const struct key *key = &section->keys[i];
        char *text = key_print(key_slot(key, object));
        if (text)
            write_value(out, key->name, text, key->type->join);
        free(text);
    }
}

/* Whether the value is what the key of a named section has where a file says nothing. */
static bool is_initial(const struct section *section, const struct key *key, const char *value)
{
    if (!key->initial)
        return false;
    void *object = mem_zalloc(section->size);
    struct key_input in = {.text = mem_strdup(key->initial)};
    char *text = key_parse(key_slot(key, object), &in) ? key_print(key_slot(key, object)) : NULL;
    bool same = text && strcmp(text, value) == 0;

    section_object_clear(section, object);
    free(object);
    free(text);
    free(in.text);
    return same;
}

static void write_set_keys(struct buffer *out, const struct section *section, const void *object)
{
    for (size_t i = 0; i < section->key_count; i++) {
        const struct key *key = &section->keys[i];
        char *text = key_print(key_slot(key, object));
        if (text && !is_initial(section, key, text))
            write_value(out, key->name, text, key->type->join);
        free(text);
    }
}

char *config_upstreams_text(const struct config *config)
{
    const struct section *section = section_find("upstream");
    struct buffer out = {0};

    for (size_t i = 0; i < config->upstream_count; i++) {
        text_add(&out, "[upstream %s]\n", config->upstreams[i].name);
        write_set_keys(&out, section, &config->upstreams[i]);
        text_add(&out, "\n");
    }
    return text_take(&out);
}

/* Whether the reader takes each line as it was written. */
static bool readable(const char *text)
{
    size_t column = 0;

    for (const char *c = text; *c; c++) {
        column = *c == '\n' ? 0 : column + 1;
        if (column > LINE_MOST)
            return false;
        if ((*c == ';' || *c == '#') && c > text && strchr(" \t,", c[-1]))
            return false;
    }
    return true;
}

static bool can_write(const char *name, const char *value, enum key_join join)
{
    struct buffer out = {0};

    write_value(&out, name, value, join);
    char *text = text_take(&out);
    bool can = readable(text);
    free(text);
    return can;
}

/* What cannot be written of one section, as `config_dump_lacks`; the caller frees. */
static char *lacking(const struct section *section, const void *object)
{
    const char *name = section->named ? ((const struct section_head *)object)->name : "";
    char *lack = NULL;

    for (size_t i = 0; i < section->key_count && !lack; i++) {
        const struct key *key = &section->keys[i];
        char *value = key_print(key_slot(key, object));
        if (value && !can_write(key->name, value, key->type->join))
            lack = mem_printf("[%s%s%s] %s = %s", section->name, *name ? " " : "", name, key->name,
                              value);
        free(value);
    }
    return lack;
}

/* "allow" or "deny", and what is behind it. */
static const char *rule_words(const struct acl_rule *rule, const char **words)
{
    const char *text = acl_rule_text(rule); /* "allow = WORDS" */
    const char *name = text[0] == 'a' ? "allow" : "deny";

    *words = text + strlen(name) + strlen(" = ");
    return name;
}

static char *lacking_rules(const struct acl *acl)
{
    const struct acl_rule *rule;

    for (size_t i = 0; (rule = acl_rule_at(acl, i)); i++) {
        const char *words, *name = rule_words(rule, &words);
        if (!can_write(name, words, JOIN_WORDS))
            return mem_printf("[acl] %s", acl_rule_text(rule));
    }
    return NULL;
}

char *config_dump_lacks(const struct config *config)
{
    char *lack = lacking_rules(config->acl);

    for (size_t s = 0; s < section_count && !lack; s++) {
        for (size_t i = 0; i < section_objects(&sections[s], config) && !lack; i++)
            lack = lacking(&sections[s], section_object(&sections[s], config, i));
    }
    return lack;
}

static void write_rules(struct buffer *out, const struct acl *acl)
{
    const struct acl_rule *rule;

    for (size_t i = 0; (rule = acl_rule_at(acl, i)); i++) {
        const char *words, *name = rule_words(rule, &words);
        write_value(out, name, words, JOIN_WORDS);
    }
}

char *config_dump(const struct config *config)
{
    const struct section *acl = section_find("acl"), *status = section_find("status");
    struct buffer out = {0};

    for (size_t s = 0; s < section_count; s++) {
        const struct section *section = &sections[s];
        if ((section == acl && !config->acl) || (section == status && !config_has_status(config)))
            continue;
        for (size_t i = 0; i < section_objects(section, config); i++) {
            const void *object = section_object(section, config, i);
            const char *between = buffer_length(&out) > 0 ? "\n" : "";
            if (section->named)
                text_add(&out, "%s[%s %s]\n", between, section->name,
                         ((const struct section_head *)object)->name);
            else
                text_add(&out, "%s[%s]\n", between, section->name);
            write_keys(&out, section, object);
            if (section == acl)
                write_rules(&out, config->acl);
        }
    }
    return text_take(&out);
}

/* The sections of a load: which there are, their names, and what is known of their keys. */
#include "conf/load.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Of a name that is made here: inih's longest header has room for it and a number. */
#define MADE_NAME_MOST 32

struct load_section *load_section_of(const struct load *load, const char *kind, size_t index)
{
    for (size_t i = 0; i < load->section_count; i++) {
        struct load_section *section = &load->sections[i];
        if (section->index == index && strcmp(section->kind->name, kind) == 0)
            return section;
    }
    return NULL;
}

const struct load_key *load_key_of(const struct load_section *section, const char *key)
{
    static const struct load_key absent;

    return section ? &section->keys[key_find(section->kind, key) - section->kind->keys] : &absent;
}

unsigned load_line_of(const struct load_section *section, const char *key)
{
    unsigned line = load_key_of(section, key)->line;

    return line == 0 && section ? section->line : line;
}

/* Whether there is something of that name already, where a name of `kind` must be the only one:
 * rules speak of listeners and forwards alike. */
static bool name_taken(const struct config *config, const struct section *kind, const char *name)
{
    if (kind == section_find("upstream"))
        return config_upstream(config, name) != NULL;
    return config_listen(config, name) || config_forward(config, name);
}

/* The section of the file that already speaks of this object, or NULL. */
static const struct load_section *earlier_section(const struct load *load,
                                                  const struct section *kind, const char *name)
{
    for (size_t i = 0; i < load->section_count; i++) {
        const struct load_section *section = &load->sections[i];
        if (section->kind != kind)
            continue;
        struct section_head *head = section_object(kind, load->config, section->index);
        if (!kind->named || strcmp(head->name, name) == 0)
            return section;
    }
    return NULL;
}

static bool name_valid(const char *name)
{
    return name[strspn(name, SECTION_NAME_LETTERS)] == '\0';
}

/* Whether a section of that kind can have that name ("": none) here; false with a problem noted. */
static bool check_header(struct load *load, unsigned line, const struct section *kind,
                         const char *name)
{
    const char *space = *name ? " " : "";

    if (!kind->named && *name)
        load_problem(load, line, "[%s] takes no name", kind->name);
    else if (kind->named && !*name)
        load_problem(load, line, "[%s] needs a name: [%s NAME]", kind->name, kind->name);
    else if (!name_valid(name))
        load_problem(load, line, "'%s' is not a name of letters, digits, '.', '_' and '-'", name);
    else {
        const struct load_section *earlier = earlier_section(load, kind, name);
        if (!earlier)
            return true;
        load_problem(load, line, "[%s%s%s] was given on line %u already", kind->name, space, name,
                     earlier->line);
    }
    return false;
}

/* The letters and digits of a text, with a hyphen for whatever stands between. */
static char *letters_of(const char *text)
{
    char *name = mem_zalloc(MADE_NAME_MOST + 1);
    size_t length = 0;

    for (; *text && length < MADE_NAME_MOST; text++) {
        if (*text != '-' && strchr(SECTION_NAME_LETTERS, *text))
            name[length++] = *text;
        else if (length > 0 && name[length - 1] != '-')
            name[length++] = '-';
    }
    return name;
}

char *load_free_name(const struct load *load, const char *kind, const char *text)
{
    char *letters = letters_of(text);
    char *base = mem_strdup(*letters ? letters : kind);
    char *name = mem_strdup(base);

    for (unsigned i = 2; name_taken(load->config, section_find(kind), name); i++) {
        free(name);
        name = mem_printf("%s-%u", base, i);
    }
    free(base);
    free(letters);
    return name;
}

bool load_section_begin(struct load *load, unsigned line, const char *kind_name, const char *name)
{
    const struct section *kind = section_find(kind_name);
    size_t index = 0;

    if (!kind) {
        const char *nearest = section_nearest(kind_name);
        load_problem(load, line, "unknown section [%s]%s%s%s", kind_name,
                     nearest ? "; did you mean [" : "", nearest ? nearest : "",
                     nearest ? "]?" : "");
        return false;
    }
    if (!check_header(load, line, kind, name))
        return false;
    if (kind->named) {
        index = section_objects(kind, load->config);
        section_append(kind, load->config, mem_strdup(name), line);
    }
    load->sections =
        mem_realloc(load->sections, (load->section_count + 1) * sizeof(*load->sections));
    load->sections[load->section_count++] =
        (struct load_section){.kind = kind, .index = index, .line = line};
    if (strcmp(kind_name, "acl") == 0)
        load->config->acl = acl_new();
    return true;
}

/* From what was given to a configuration, or to the list of all that is wrong with it. */
#include "conf/load.h"

#include "base/mem.h"
#include "conf/ini.h"
#include "conf/jumps.h"
#include "conf/paths.h"
#include "conf/ssh_config.h"
#include "conf/types.h"
#include "io/whole.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE_MAX ((size_t)64 << 20) /* bytes */

/* Of a name that is made here: inih's longest header has room for it and a number. */
#define MADE_NAME_MOST 32

static void add_problem(struct load *load, unsigned line, char *text)
{
    load->problems =
        mem_realloc(load->problems, (load->problem_count + 1) * sizeof(*load->problems));
    load->problems[load->problem_count] = (struct load_problem){line, load->problem_count, text};
    load->problem_count++;
}

void load_problem(struct load *load, unsigned line, const char *format, ...)
{
    va_list args;
    char message[2 * KEY_ERROR_MAX];

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    load_problem_in(load, line, load->file, line, message);
}

void load_problem_in(struct load *load, unsigned line, const char *file, unsigned file_line,
                     const char *message)
{
    add_problem(load, line,
                !file       ? mem_strdup(message)
                : file_line ? mem_printf("%s:%u: %s", file, file_line, message)
                            : mem_printf("%s: %s", file, message));
}

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

static bool open_section(struct load *load, unsigned line, const char *kind_name, const char *name)
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

bool load_open(struct load *load, unsigned line, const char *kind, const char *name)
{
    load->any_header = true;
    load->skipping = !open_section(load, line, kind, name);
    return !load->skipping;
}

static void on_section(void *arg, unsigned line, const char *header)
{
    struct load *load = arg;

    load->any_header = true;
    load->skipping = true;
    if (!header)
        return;
    char *words = mem_strdup(header);
    char *kind = words + strspn(words, " \t");
    char *name = kind + strcspn(kind, " \t");
    if (*name)
        *name++ = '\0';
    name += strspn(name, " \t");
    size_t length = strlen(name);
    while (length > 0 && strchr(" \t", name[length - 1]))
        name[--length] = '\0';

    load_open(load, line, kind, name);
    free(words);
}

static void unknown_key(struct load *load, unsigned line, const struct section *section,
                        const char *name)
{
    const char *nearest = key_nearest(section, name);

    if (nearest) {
        load_problem(load, line, "unknown key '%s' in [%s]; did you mean '%s'?", name,
                     section->name, nearest);
        return;
    }
    for (size_t i = 0; i < section_count; i++) {
        if (key_find(&sections[i], name)) {
            load_problem(load, line, "unknown key '%s' in [%s]; it belongs in [%s%s]", name,
                         section->name, sections[i].name, sections[i].named ? " NAME" : "");
            return;
        }
    }
    load_problem(load, line, "unknown key '%s' in [%s]", name, section->name);
}

/* Reads a value into the section's object. */
static void load_take_value(struct load *load, struct load_section *section, const struct key *key,
                            unsigned line, char *text)
{
    struct load_key *given = &section->keys[key - section->kind->keys];
    struct key_input in = {.text = text, .line = line};
    void *object = section_object(section->kind, load->config, section->index);

    given->set = true;
    if (!key_parse(key_slot(key, object), &in)) {
        given->bad = true;
        load_problem(load, line, "%s: %s", key->name, in.error);
    }
}

void load_entry(struct load *load, unsigned line, const char *name, char *text)
{
    if (!load->any_header)
        load_problem(load, line, "'%s' stands before the first [section]", name);
    if (!load->any_header || load->skipping)
        return;

    struct load_section *section = &load->sections[load->section_count - 1];
    const struct section *kind = section->kind;
    const struct key *key = key_find(kind, name);
    if (!key) {
        unknown_key(load, line, kind, name);
        return;
    }
    struct load_key *given = &section->keys[key - kind->keys];
    if (given->set && !(key->flags & KEY_REPEATED)) {
        load_problem(load, line, "%s was given on line %u already", name, given->line);
        return;
    }
    given->line = line;
    load_take_value(load, section, key, line, text);
}

void load_set(struct load *load, struct load_section *section, const char *name, const char *text,
              unsigned line)
{
    const struct key *key = key_find(section->kind, name);
    char *copy;

    if (section->keys[key - section->kind->keys].set)
        return;
    copy = mem_strdup(text);
    load_take_value(load, section, key, line, copy);
    free(copy);
}

/* Whether a key of the section opened last is a command for the shell, which has its own ';'. */
static bool is_command(const struct load *load, const char *name)
{
    if (!load->any_header || load->skipping)
        return false;
    const struct key *key = key_find(load->sections[load->section_count - 1].kind, name);
    return key && key->type == &type_command;
}

static void on_entry(void *arg, unsigned line, const char *name, char *text, bool cut)
{
    if (cut && is_command(arg, name))
        load_problem(arg, line,
                     "%s: ' ;' begins a comment here; for the shell write '; ' without "
                     "a blank before it",
                     name);
    else
        load_entry(arg, line, name, text);
}

static void on_problem(void *arg, unsigned line, const char *message)
{
    load_problem(arg, line, "%s", message);
}

/* Gives every key that has no value its default. */
static void set_defaults(struct load *load, const struct section *kind, size_t index)
{
    const struct load_section *section = load_section_of(load, kind->name, index);
    void *object = section_object(kind, load->config, index);

    for (size_t i = 0; i < kind->key_count; i++) {
        const struct key *key = &kind->keys[i];
        if (!key->initial || (section && section->keys[i].set))
            continue;
        struct key_input in = {.text = mem_strdup(key->initial)};
        bool ok = key_parse(key_slot(key, object), &in);
        assert(ok);
        (void)ok;
        free(in.text);
    }
}

/* The defaults that depend on what else there is. */
static void set_dependent_defaults(struct config *config)
{
    struct config_resolve *resolve = &config->resolve;

    if (resolve->order_count == 0) {
        resolve->order[resolve->order_count++] = RESOLVE_REMOTE;
        if (resolve->server_count > 0)
            resolve->order[resolve->order_count++] = RESOLVE_TUNNEL;
    }
    if (config->upstream_count == 0)
        return;
    for (size_t i = 0; i < config->listen_count; i++) {
        if (!config->listens[i].via)
            config->listens[i].via = mem_strdup(config->upstreams[0].name);
    }
    for (size_t i = 0; i < config->forward_count; i++) {
        if (!config->forwards[i].via)
            config->forwards[i].via = mem_strdup(config->upstreams[0].name);
    }
}

/* If the file gives jump or proxy_command, neither is taken from ssh_config. */
static void exclude_other_way(struct load_section *section, const struct config_upstream *upstream)
{
    const struct section *kind = section->kind;

    if (upstream->jump.count > 0)
        section->keys[key_find(kind, "proxy_command") - kind->keys].set = true;
    if (upstream->proxy_command)
        section->keys[key_find(kind, "jump") - kind->keys].set = true;
}

/* Gives every upstream with ssh_config = yes its settings of ssh_config. */
static void ask_ssh_config(struct load *load)
{
    for (size_t i = 0; i < load->config->upstream_count; i++) {
        struct load_section *section = load_section_of(load, "upstream", i);
        if (!load->config->upstreams[i].ssh_config || !load_key_of(section, "host")->set ||
            load_key_of(section, "host")->bad)
            continue;
        exclude_other_way(section, &load->config->upstreams[i]);
        ssh_config_fill(load, i);
    }
}

/* The configuration is complete: a dump of it needs no ssh_config any more, and must not read it
 * again. (Where there is no ssh, it is read when a session is made.) */
static void forget_ssh_config(struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++) {
        if (config->upstreams[i].libssh_config)
            continue;
        config->upstreams[i].ssh_config = false;
        free(config->upstreams[i].ssh_config_file);
        config->upstreams[i].ssh_config_file = NULL;
    }
}

static int by_line(const void *a, const void *b)
{
    const struct load_problem *p = a, *q = b;

    if (p->line != q->line)
        return p->line < q->line ? -1 : 1;
    return p->order < q->order ? -1 : 1;
}

/* Hands the problems over in the file's order, and the configuration if there are none. */
struct config *load_finish(struct load *load, struct config_problems *problems)
{
    struct config *config = load->config;

    if (load->problem_count > 0) {
        qsort(load->problems, load->problem_count, sizeof(*load->problems), by_line);
        problems->lines =
            mem_realloc(problems->lines, (problems->count + load->problem_count) * sizeof(char *));
        for (size_t i = 0; i < load->problem_count; i++)
            problems->lines[problems->count++] = load->problems[i].text;
        config_unref(config);
        config = NULL;
    }
    free(load->problems);
    for (size_t i = 0; i < load->section_count; i++) {
        free(load->sections[i].hop);
        string_list_clear(&load->sections[i].by_ssh);
    }
    free(load->sections);
    return config;
}

void load_begin(struct load *load, const char *file)
{
    *load = (struct load){.file = file, .config = config_new(), .last_line = 1, .connection = -1};
    load->config->file = mem_strdup(file);
}

struct config *load_end(struct load *load, struct config_problems *problems)
{
    ask_ssh_config(load);
    jumps_expand(load);
    for (size_t s = 0; s < section_count; s++) {
        for (size_t i = 0; i < section_objects(&sections[s], load->config); i++)
            set_defaults(load, &sections[s], i);
    }
    load_choose_engines(load);
    forget_ssh_config(load->config);
    set_dependent_defaults(load->config);
    load_listeners(load);
    load_check(load);
    return load_finish(load, problems);
}

static struct config *load_text(const char *name, const char *text, size_t length, int connection,
                                struct config_problems *problems)
{
    static const struct ini_events events = {on_section, on_entry, on_problem};
    struct load load;

    load_begin(&load, name);
    load.connection = connection;
    unsigned last_line = ini_events_read(text, length, &events, &load);
    if (last_line > 0)
        load.last_line = last_line;
    return load_end(&load, problems);
}

struct config *config_load_text(const char *name, const char *text, size_t length,
                                struct config_problems *problems)
{
    return load_text(name, text, length, -1, problems);
}

struct config *config_load_until(const char *path, int connection, struct config_problems *problems)
{
    struct buffer text = {0};
    struct config *config = NULL;
    const char *wrong = file_read(path, CONFIG_FILE_MAX, FILE_ANY, &text);

    if (wrong) {
        struct load load = {.file = path};
        bool missing = strcmp(wrong, strerror(ENOENT)) == 0;
        load_problem(&load, 0, "cannot be read: %s%s%s%s", wrong, missing ? " (adit --init " : "",
                     missing ? path : "", missing ? " writes a first one)" : "");
        load_finish(&load, problems);
    } else {
        const char *bytes = (const char *)buffer_data(&text);
        config = load_text(path, bytes ? bytes : "", buffer_length(&text), connection, problems);
    }
    buffer_clear(&text);
    return config;
}

struct config *config_load(const char *path, struct config_problems *problems)
{
    return config_load_until(path, -1, problems);
}

void config_problems_add(struct config_problems *problems, const char *text)
{
    problems->lines =
        mem_realloc(problems->lines, (problems->count + 1) * sizeof(*problems->lines));
    problems->lines[problems->count++] = mem_strdup(text);
}

void config_problems_clear(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        free(problems->lines[i]);
    free(problems->lines);
    *problems = (struct config_problems){0};
}

/* From what was given to a configuration, or to the list of all that is wrong with it. */
#include "conf/load.h"

#include "base/mem.h"
#include "base/buffer.h"
#include "conf/ini.h"
#include "conf/jumps.h"
#include "conf/ssh_config.h"
#include "conf/types.h"
#include "io/whole.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE_MAX ((size_t)64 << 20) /* bytes */

bool load_open(struct load *load, unsigned line, const char *kind, const char *name)
{
    load->any_header = true;
    load->skipping = !load_section_begin(load, line, kind, name);
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

struct config *load_finish(struct load *load, struct config_problems *problems)
{
    struct config *config = load->config;

    if (load->problem_count > 0) {
        load_hand_over_problems(load, problems);
        config_unref(config);
        config = NULL;
    }
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

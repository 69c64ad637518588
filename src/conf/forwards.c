/* Forwards as part of a configuration: their keys, their listeners, and one more or fewer. */
#include "conf/forward_spec.h"
#include "conf/load.h"
#include "conf/paths.h"
#include "conf/stores.h"
#include "conf/types.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether one of the keys that say what a [forward] is has been read. */
static bool is_given(const struct config_forward *forward)
{
    return forward->bind.path || forward->bind.host;
}

/* "~/x" of an end on this machine as the path it stands for. */
static void expand_end(char **path)
{
    char *expanded = *path && strncmp(*path, "~/", 2) == 0 ? path_expand(*path) : NULL;

    if (expanded) {
        free(*path);
        *path = expanded;
    }
}

static bool forward_parse(struct key_slot slot, struct key_input *in)
{
    struct config_forward *forward = slot.field;
    enum forward_kind kind = (enum forward_kind)word_index(forward_kinds, slot.key->name);

    if (is_given(forward))
        return input_refuse(in, "this forward is a %s one already", forward_kinds[forward->kind]);
    if (!forward_spec_parse(kind, in->text, forward, in->error, sizeof(in->error)))
        return false;
    expand_end(kind == FORWARD_REMOTE ? &forward->target.path : &forward->bind.path);
    return true;
}

static char *forward_print(struct key_slot slot)
{
    const struct config_forward *forward = slot.field;

    if (!is_given(forward) || strcmp(forward_kinds[forward->kind], slot.key->name) != 0)
        return NULL;
    return forward_spec_print(forward);
}

static void forward_free(struct key_slot slot)
{
    struct config_forward *forward = slot.field; /* of all three keys */

    place_clear(&forward->bind);
    place_clear(&forward->target);
}

const struct key_type type_forward = {.metavar = "[bind:]port [host:port]",
                                      .join = JOIN_WORDS,
                                      .parse = forward_parse,
                                      .print = forward_print,
                                      .store = &store_forward,
                                      .free = forward_free};

void forward_listener_clear(struct config_forward *forward)
{
    struct config_listen *listen = &forward->listen;

    for (size_t i = 0; i < listen->address_count; i++)
        free(listen->addresses[i].path);
    free(listen->addresses);
    *listen = (struct config_listen){0};
}

bool forward_listener_make(struct config_forward *forward)
{
    struct config_listen *listen = &forward->listen;

    forward_listener_clear(forward);
    *listen = (struct config_listen){
        .name = forward->name,
        .line = forward->line,
        .auth = LISTEN_AUTH_NONE,
        .open = forward->open,
        .idle_timeout_ms = forward->idle_timeout_ms,
        .via = forward->via,
        .target = forward->target,
    };
    for (size_t i = 0; i < WIRE_PROTOCOLS; i++)
        listen->protocols[i] = true;
    return forward->kind == FORWARD_REMOTE || !is_given(forward) ||
           addresses_append(&forward->bind, &listen->addresses, &listen->address_count);
}

void load_listeners(struct load *load)
{
    for (size_t i = 0; i < load->config->forward_count; i++) {
        struct config_forward *forward = &load->config->forwards[i];
        const char *kind = forward_kinds[forward->kind];
        if (!forward_listener_make(forward))
            load_problem(load, load_line_of(load_section_of(load, "forward", i), kind),
                         "%s: '%s' is not an IP address of this machine, localhost or *", kind,
                         forward->bind.host);
    }
}

/* Gives the section opened last the ends of `forward`. */
static void take_ends(struct load *load, const struct config_forward *forward)
{
    struct load_section *section = &load->sections[load->section_count - 1];
    const struct key *key = key_find(section->kind, forward_kinds[forward->kind]);
    struct config_forward *object = section_object(section->kind, load->config, section->index);

    key_copy(key, forward, object);
    section->keys[key - section->kind->keys].set = true;
    expand_end(forward->kind == FORWARD_REMOTE ? &object->target.path : &object->bind.path);
}

static void forward_entry(struct load *load, const char *key, const char *text)
{
    char *copy = mem_strdup(text);

    load_entry(load, 0, key, copy);
    free(copy);
}

void load_forward(struct load *load, const struct config_forward *forward, const char *via)
{
    const char *kind = forward_kinds[forward->kind];
    char *bind = place_print(&forward->bind);
    char *base = mem_printf("%s-%s", kind, bind);
    char *name = load_free_name(load, "forward", base);

    load_open(load, 0, "forward", name);
    take_ends(load, forward);
    if (via)
        forward_entry(load, "via", via);
    /* An address that a command line names is meant. */
    if (forward->kind == FORWARD_DYNAMIC && forward->bind.host && forward->bind.host[0])
        forward_entry(load, "open", "yes");
    free(name);
    free(base);
    free(bind);
}

/* Hands over a configuration that was changed, or the first problem there was. */
static struct config *changed(struct load *load, char *error, size_t error_size)
{
    struct config_problems problems = {0};
    struct config *config = load_finish(load, &problems);

    if (!config)
        snprintf(error, error_size, "%s", problems.lines[0]);
    config_problems_clear(&problems);
    return config;
}

const struct config_forward *config_same_forward(const struct config *config,
                                                 const struct config_forward *forward,
                                                 const char *via)
{
    if (via == NULL || via[0] == '\0')
        via = config->upstreams[0].name;
    for (size_t i = 0; i < config->forward_count; i++)
        if (strcmp(config->forwards[i].via, via) == 0 &&
            forward_spec_same(&config->forwards[i], forward))
            return &config->forwards[i];
    return NULL;
}

struct config *config_add_forward(struct config *config, const struct config_forward *forward,
                                  const char *via, char *error, size_t error_size)
{
    struct load load = {.config = config_copy(config)};

    load_forward(&load, forward, via ? via : config->upstreams[0].name);
    load_listeners(&load);
    load_check_forward(&load, load.config->forward_count - 1);
    return changed(&load, error, error_size);
}

struct config *config_remove_forward(struct config *config, const struct config_forward *forward,
                                     char *error, size_t error_size)
{
    struct load load = {.config = config_copy(config)};
    struct config_forward *forwards = load.config->forwards;
    size_t *count = &load.config->forward_count;
    size_t i = 0;

    while (i < *count && &config->forwards[i] != forward)
        i++;
    for (size_t k = 0; i == *count && k < *count; k++)
        if (forward_spec_same(&forwards[k], forward))
            i = k;
    if (i == *count) {
        load_problem(&load, 0, "there is no such forward");
    } else {
        forward_listener_clear(&forwards[i]);
        section_object_clear(section_find("forward"), &forwards[i]);
        (*count)--;
        memmove(&forwards[i], &forwards[i + 1], (*count - i) * sizeof(*forwards));
    }
    load_listeners(&load);
    return changed(&load, error, error_size);
}

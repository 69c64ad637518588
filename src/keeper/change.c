/* Changed configurations. */
#include "keeper/change.h"

#include "base/mem.h"
#include "conf/forward_spec.h"
#include "conf/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Requests. */

static char *copy_text(struct keeper_message *message)
{
    struct span text = keeper_message_text(message);

    return mem_strndup((const char *)text.bytes, text.length);
}

bool change_request_read(struct keeper_message *message, struct change_request *request)
{
    *request = (struct change_request){0};
    if (message->numbers[1] >= CONFIG_CHANGE_KINDS)
        return false;
    request->kind = (enum config_change_kind)message->numbers[1];
    request->forward_count = message->text_count / 4;
    request->forwards = mem_zalloc(request->forward_count * sizeof(*request->forwards));
    for (size_t i = 0; i < request->forward_count; i++) {
        request->forwards[i].kind = copy_text(message);
        request->forwards[i].spec = copy_text(message);
        request->forwards[i].via = copy_text(message);
        request->forwards[i].name = copy_text(message);
    }
    return request->kind != CONFIG_RELOAD || request->forward_count == 0;
}

void change_request_clear(struct change_request *request)
{
    forward_words_free(request->forwards, request->forward_count);
    *request = (struct change_request){0};
}

/* Reloads. */

static bool same_control(const struct config *a, const struct config *b)
{
    const char *path_a = a->gateway.control;
    const char *path_b = b->gateway.control;

    return path_a != NULL && path_b != NULL ? strcmp(path_a, path_b) == 0 : path_a == path_b;
}

static void make_reloaded(const struct change_sources *sources, struct config *base, int connection,
                          struct change_result *result)
{
    struct config *config;

    if (base->file == NULL && sources->argv == NULL) {
        snprintf(result->error, sizeof(result->error), "there is no file to read again");
        return;
    }
    config = base->file != NULL
                 ? config_load_until(base->file, connection, &result->problems)
                 : options_read_again(sources->argv, base, connection, &result->problems);
    if (config == NULL) {
        snprintf(result->error, sizeof(result->error), "nothing was changed");
        return;
    }
    sources->find_hosts(config);
    if (config->gateway.control != NULL && !same_control(base, config))
        result->holder.peer = control_probe(config->gateway.control, &result->holder.pid);
    for (enum system_file file = 0; file < SYSTEM_FILES; file++)
        result->files[file] = system_file_copy(file);
    result->config = config;
}

/* Forwards. */

static bool read_forward(const struct forward_words *words, struct config_forward *forward,
                         char *error, size_t error_size)
{
    int kind = word_index(forward_kinds, words->kind);

    if (kind < 0 || words->spec[0] == '\0') {
        snprintf(error, error_size,
                 "a forward is a \"kind\" (local, remote, dynamic) and a \"spec\"");
        return false;
    }
    return forward_spec_parse((enum forward_kind)kind, words->spec, forward, error, error_size);
}

/* (A forward that is there already is as good, as to ssh: also one whose port the server picks.) */
static struct config *with_forward(struct config *config, const struct config_forward *forward,
                                   const char *via, char *error, size_t error_size)
{
    if (config_same_forward(config, forward, via) != NULL)
        return config_ref(config);
    return config_add_forward(config, forward, via, error, error_size);
}

/* `config` with one forward of the change added or removed; NULL: `error` says why not. */
static struct config *make_one(enum config_change_kind kind, struct config *config,
                               const struct forward_words *words, struct change_result *result)
{
    char *error = result->error;
    size_t error_size = sizeof(result->error);
    struct config_forward forward = {0};
    struct config *next = NULL;

    if (kind == CONFIG_REMOVE_NAMED_FORWARDS) {
        const struct config_forward *named = config_forward(config, words->name);
        return named == NULL ? config_ref(config)
                             : config_remove_forward(config, named, error, error_size);
    }
    if (!read_forward(words, &forward, error, error_size))
        return NULL;
    if (kind == CONFIG_ADD_FORWARDS)
        next = with_forward(config, &forward, words->via[0] != '\0' ? words->via : NULL, error,
                            error_size);
    else
        next = config_remove_forward(config, &forward, error, error_size);
    place_clear(&forward.bind);
    place_clear(&forward.target);
    return next;
}

static void make_with_forwards(struct config *base, const struct change_request *request,
                               struct change_result *result)
{
    struct config *config = config_ref(base);

    for (size_t i = 0; config != NULL && i < request->forward_count; i++) {
        struct config *next = make_one(request->kind, config, &request->forwards[i], result);
        config_unref(config);
        config = next;
    }
    result->config = config;
}

void change_result_clear(struct change_result *result)
{
    for (enum system_file file = 0; file < SYSTEM_FILES; file++)
        if (result->files[file] >= 0)
            close(result->files[file]);
    config_unref(result->config);
    config_problems_clear(&result->problems);
    *result = (struct change_result){.files = {-1, -1}};
}

void change_make(const struct change_sources *sources, struct config *base,
                 const struct change_request *request, int connection, struct change_result *result)
{
    *result = (struct change_result){.files = {-1, -1}};
    if (request->kind == CONFIG_RELOAD)
        make_reloaded(sources, base, connection, result);
    else
        make_with_forwards(base, request, result);
}

/* The serialiser. */
#include "conf/serialise.h"

#include "base/mem.h"
#include "conf/load.h"
#include "conf/stores.h"
#include "conf/types.h"
#include "io/memory_file.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT 1

/* Saving. */

/* For whom a text is. */
enum serialised_for {
    FOR_COPY,    /* that shares the users and the rules */
    FOR_KEEPER,  /* all */
    FOR_GATEWAY, /* all but the users, and the notices instead of what they are made from */
};

static void begin_line(struct buffer *out, const char *name)
{
    buffer_append(out, name, strlen(name));
}

static void end_line(struct buffer *out)
{
    buffer_append(out, "\n", 1);
}

static void save_text(struct buffer *out, const char *name, const char *text)
{
    if (!text)
        return;
    begin_line(out, name);
    word_add(out, text);
    end_line(out);
}

static void save_number(struct buffer *out, const char *name, unsigned number)
{
    begin_line(out, name);
    word_add_number(out, number);
    end_line(out);
}

static void save_keys(struct buffer *out, const struct section *section, const void *object)
{
    for (size_t i = 0; i < section->key_count; i++) {
        const struct key *key = &section->keys[i];
        struct buffer words = {0};
        if (key->type->store)
            key->type->store->save(key_slot(key, object), &words);
        if (buffer_length(&words) > 0) {
            begin_line(out, key->name);
            buffer_append(out, buffer_data(&words), buffer_length(&words));
            end_line(out);
        }
        buffer_clear(&words);
    }
}

static void save_rules(struct buffer *out, const struct acl *acl)
{
    const struct acl_rule *rule;

    save_number(out, "+rules", 1); /* (without a rule they still deny) */
    for (size_t i = 0; (rule = acl_rule_at(acl, i)); i++) {
        const char *text = acl_rule_text(rule); /* "allow = WORDS" */
        bool allow = text[0] == 'a';
        begin_line(out, "+rule");
        word_add_number(out, allow);
        word_add_number(out, acl_rule_line(rule));
        word_add(out, text + strlen(allow ? "allow = " : "deny = "));
        end_line(out);
    }
}

/* (That there are any says that a password is needed.) */
static void save_users(struct buffer *out, const struct users *users, enum serialised_for reader)
{
    char *text;

    if (users == NULL || reader == FOR_COPY)
        return;
    text = reader == FOR_GATEWAY ? mem_strdup("") : users_text(users);
    save_text(out, "+users", text);
    mem_free_secret(text, strlen(text));
}

static void save_notice(void *out, const char *text)
{
    save_text(out, "+notice", text);
}

/* What an object has besides its keys. */
static void save_rest(struct buffer *out, const struct section *section,
                      const struct config *config, size_t index, enum serialised_for reader)
{
    if (section == section_find("upstream")) {
        const struct config_upstream *upstream = &config->upstreams[index];
        save_number(out, "+libssh_config", upstream->libssh_config);
        for (size_t i = 0; i < upstream->libssh_hosts.count; i++)
            save_text(out, "+libssh_host", upstream->libssh_hosts.items[i]);
        for (size_t i = 0; i < upstream->ssh_words.count; i++)
            save_text(out, "+ssh_word", upstream->ssh_words.items[i]);
        save_number(out, "+by_openssh", upstream->by_openssh);
        save_text(out, "+engine_reason", upstream->engine_reason);
        for (size_t i = 0; i < upstream->master_words.count; i++)
            save_text(out, "+master_word", upstream->master_words.items[i]);
        for (size_t i = 0; i < upstream->master_hosts.count; i++)
            save_text(out, "+master_host", upstream->master_hosts.items[i]);
    }
    if (section == section_find("listen"))
        save_users(out, config->listens[index].users, reader);
    if (section == section_find("status"))
        save_users(out, config->status.listen.users, reader);
    if (section == section_find("acl") && reader != FOR_COPY && config->acl)
        save_rules(out, config->acl);
}

static void save_head(struct buffer *out, const struct section *section, const void *object)
{
    const struct section_head *head = object;

    begin_line(out, "section");
    word_add(out, section->name);
    if (section->named) {
        word_add(out, head->name);
        word_add_number(out, head->line);
    }
    end_line(out);
}

static char *serialise(const struct config *config, enum serialised_for reader)
{
    struct buffer out = {0};

    save_number(&out, "adit-configuration", FORMAT);
    save_text(&out, "+file", config->file);
    for (size_t i = 0; i < config->remarks.count; i++)
        save_text(&out, "+remark", config->remarks.items[i]);
    if (reader == FOR_GATEWAY || config->has_notices) {
        save_number(&out, "+notices", 1);
        config_each_notice(config, save_notice, &out);
    }
    for (size_t s = 0; s < section_count; s++) {
        for (size_t i = 0; i < section_objects(&sections[s], config); i++) {
            const void *object = section_object(&sections[s], config, i);
            save_head(&out, &sections[s], object);
            save_keys(&out, &sections[s], object);
            save_rest(&out, &sections[s], config, i, reader);
        }
    }
    buffer_append(&out, "end\n", 4);
    return text_take(&out);
}

char *config_serialise(const struct config *config, bool whole)
{
    return serialise(config, whole ? FOR_KEEPER : FOR_COPY);
}

char *config_serialise_for_gateway(const struct config *config)
{
    return serialise(config, FOR_GATEWAY);
}

/* Restoring. */

struct restoring {
    struct config *config;
    const struct section *section; /* the last one opened; NULL: none yet */
    const struct key *next_key;    /* keys come in the table's order, each once */
    size_t index;                  /* of its object */
    bool begun;
    bool ended;
};

/* (Sections come in the table's order, too.) */
static bool restore_head(struct restoring *r, struct word_reader *words)
{
    char *kind = word_next(words);
    const struct section *section = kind ? section_find(kind) : NULL;
    uint64_t line;

    free(kind);
    if (!section || (r->section && section < r->section + !section->named))
        return false;
    r->section = section;
    r->next_key = section->keys;
    r->index = 0;
    if (!section->named)
        return true;
    char *name = word_next(words);
    if (!name || !word_next_number(words, UINT32_MAX, &line)) {
        free(name);
        return false;
    }
    r->index = section_objects(r->section, r->config);
    section_append(r->section, r->config, name, (unsigned)line);
    return true;
}

static bool restore_key(struct restoring *r, const char *name, struct word_reader *words)
{
    const struct key *key = r->section ? key_find(r->section, name) : NULL;

    if (!key || !key->type->store || key < r->next_key)
        return false;
    r->next_key = key + 1;
    void *object = section_object(r->section, r->config, r->index);
    return key->type->store->restore(key_slot(key, object), words);
}

/* The lines that begin with "+". Each is given the words behind it. */
typedef bool restore_fn(struct restoring *r, struct word_reader *words);

static bool restore_file(struct restoring *r, struct word_reader *words)
{
    free(r->config->file);
    r->config->file = word_next(words);
    return r->config->file != NULL;
}

static bool restore_remark(struct restoring *r, struct word_reader *words)
{
    char *text = word_next(words);

    if (text)
        string_list_append(&r->config->remarks, text);
    return text != NULL;
}

static bool restore_notices(struct restoring *r, struct word_reader *words)
{
    uint64_t one;

    r->config->has_notices = word_next_number(words, 1, &one);
    return r->config->has_notices;
}

static bool restore_notice(struct restoring *r, struct word_reader *words)
{
    char *text = word_next(words);

    if (text)
        string_list_append(&r->config->notices, text);
    return text != NULL;
}

static bool restore_rules(struct restoring *r, struct word_reader *words)
{
    uint64_t one;

    if (r->config->acl || !word_next_number(words, 1, &one))
        return false;
    r->config->acl = acl_new();
    return true;
}

static bool restore_rule(struct restoring *r, struct word_reader *words)
{
    uint64_t allow, line;
    char error[KEY_ERROR_MAX];

    if (!r->config->acl || !word_next_number(words, 1, &allow) ||
        !word_next_number(words, UINT32_MAX, &line))
        return false;
    char *text = word_next(words);
    bool ok = text && acl_add(r->config->acl, &(struct acl_words){allow == 1, text, (unsigned)line},
                              error, sizeof(error)) == 0;
    free(text);
    return ok;
}

static bool restore_libssh_config(struct restoring *r, struct word_reader *words)
{
    uint64_t yes;

    if (r->section != section_find("upstream") || !word_next_number(words, 1, &yes))
        return false;
    r->config->upstreams[r->index].libssh_config = yes == 1;
    return true;
}

static bool restore_libssh_host(struct restoring *r, struct word_reader *words)
{
    char *text = r->section == section_find("upstream") ? word_next(words) : NULL;

    if (text)
        string_list_append(&r->config->upstreams[r->index].libssh_hosts, text);
    return text != NULL;
}

static bool restore_ssh_word(struct restoring *r, struct word_reader *words)
{
    char *text = r->section == section_find("upstream") ? word_next(words) : NULL;

    if (text)
        string_list_append(&r->config->upstreams[r->index].ssh_words, text);
    return text != NULL;
}

static bool restore_by_openssh(struct restoring *r, struct word_reader *words)
{
    uint64_t yes;

    if (r->section != section_find("upstream") || !word_next_number(words, 1, &yes))
        return false;
    r->config->upstreams[r->index].by_openssh = yes == 1;
    return true;
}

static bool restore_engine_reason(struct restoring *r, struct word_reader *words)
{
    char *text = r->section == section_find("upstream") ? word_next(words) : NULL;

    if (text) {
        free(r->config->upstreams[r->index].engine_reason);
        r->config->upstreams[r->index].engine_reason = text;
    }
    return text != NULL;
}

static bool restore_master_word(struct restoring *r, struct word_reader *words)
{
    char *text = r->section == section_find("upstream") ? word_next(words) : NULL;

    if (text)
        string_list_append(&r->config->upstreams[r->index].master_words, text);
    return text != NULL;
}

static bool restore_master_host(struct restoring *r, struct word_reader *words)
{
    char *text = r->section == section_find("upstream") ? word_next(words) : NULL;

    if (text)
        string_list_append(&r->config->upstreams[r->index].master_hosts, text);
    return text != NULL;
}

static void ignore_problem(void *arg, unsigned line, const char *message)
{
    (void)arg;
    (void)line;
    (void)message;
}

static bool restore_users(struct restoring *r, struct word_reader *words)
{
    char *text = word_next(words);
    struct users **users = r->section == section_find("listen")
                               ? &r->config->listens[r->index].users
                           : r->section == section_find("status") ? &r->config->status.listen.users
                                                                  : NULL;
    bool ok = text && users && !*users;

    if (ok) {
        *users = users_new(text, strlen(text), ignore_problem, NULL);
        ok = *users != NULL;
    }
    if (text)
        mem_free_secret(text, strlen(text));
    return ok;
}

static const struct {
    const char *name;
    restore_fn *restore;
} rest[] = {
    {"section", restore_head},
    {"+file", restore_file},
    {"+remark", restore_remark},
    {"+notices", restore_notices},
    {"+notice", restore_notice},
    {"+rules", restore_rules},
    {"+rule", restore_rule},
    {"+libssh_config", restore_libssh_config},
    {"+libssh_host", restore_libssh_host},
    {"+ssh_word", restore_ssh_word},
    {"+by_openssh", restore_by_openssh},
    {"+engine_reason", restore_engine_reason},
    {"+master_word", restore_master_word},
    {"+master_host", restore_master_host},
    {"+users", restore_users},
};

static bool restore_line(struct restoring *r, const char *name, struct word_reader *words)
{
    uint64_t format;

    if (r->ended)
        return false;
    if (!r->begun) {
        r->begun = true;
        return strcmp(name, "adit-configuration") == 0 &&
               word_next_number(words, FORMAT, &format) && format == FORMAT;
    }
    if (strcmp(name, "end") == 0) {
        r->ended = true;
        return true;
    }
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        if (strcmp(rest[i].name, name) == 0)
            return rest[i].restore(r, words);
    }
    return restore_key(r, name, words);
}

struct config *config_restore(const char *text)
{
    struct restoring r = {.config = config_new()};
    bool ok = true;

    while (ok && *text) {
        size_t length = strcspn(text, "\n");
        size_t name_length = strcspn(text, " \n");
        struct word_reader words = {.at = text + name_length, .end = text + length};
        char *name = mem_strndup(text, name_length);
        ok = text[length] == '\n' && restore_line(&r, name, &words) && words_ended(&words);
        free(name);
        text += length + 1;
    }
    for (size_t i = 0; ok && i < r.config->forward_count; i++)
        ok = forward_listener_make(&r.config->forwards[i]);
    if (ok && r.ended)
        return r.config;
    config_unref(r.config);
    return NULL;
}

struct config *config_restore_file(int fd)
{
    char *text = memory_file_text(fd);
    struct config *config = text != NULL ? config_restore(text) : NULL;

    if (text != NULL)
        mem_free_secret(text, strlen(text));
    return config;
}

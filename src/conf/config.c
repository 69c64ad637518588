/* The configuration as an object: references, look-ups, comparison. */
#include "conf/config.h"

#include "base/mem.h"
#include "conf/keys.h"
#include "conf/load.h"
#include "conf/serialise.h"
#include "conf/types.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counted_config {
    struct config config; /* first, so that a pointer to it is one to the whole */
    atomic_uint references;
    struct config *original; /* whose users and rules these are; NULL: its own */
};

struct config *config_new(void)
{
    struct counted_config *counted = mem_zalloc(sizeof(*counted));

    atomic_init(&counted->references, 1);
    return &counted->config;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&((struct counted_config *)config)->references, 1,
                              memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    struct counted_config *counted = (struct counted_config *)config;

    /* What other threads did with it before they dropped theirs comes before the end. */
    if (!config || atomic_fetch_sub_explicit(&counted->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < config->listen_count && !counted->original; i++)
        users_free(config->listens[i].users);
    if (!counted->original)
        users_free(config->status.listen.users);
    if (counted->original)
        config->acl = NULL;
    for (size_t i = 0; i < config->forward_count; i++)
        forward_listener_clear(&config->forwards[i]);
    for (size_t i = 0; i < config->upstream_count; i++) {
        string_list_clear(&config->upstreams[i].libssh_hosts);
        string_list_clear(&config->upstreams[i].ssh_words);
        free(config->upstreams[i].engine_reason);
        string_list_clear(&config->upstreams[i].master_words);
        string_list_clear(&config->upstreams[i].master_hosts);
    }
    sections_free(config);
    config_unref(counted->original);
    string_list_clear(&config->remarks);
    string_list_clear(&config->notices);
    free(config->file);
    free(counted);
}

struct config *config_copy(struct config *config)
{
    struct counted_config *counted = (struct counted_config *)config;
    char *text = config_serialise(config, false);
    struct config *copy = config_restore(text);

    assert(copy != NULL && "what is serialised can be restored");
    free(text);
    copy->acl = config->acl;
    for (size_t i = 0; i < copy->listen_count; i++)
        copy->listens[i].users = config->listens[i].users;
    copy->status.listen.users = config->status.listen.users;
    ((struct counted_config *)copy)->original =
        config_ref(counted->original ? counted->original : config);
    return copy;
}

const struct config_upstream *config_upstream(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->upstream_count; i++) {
        if (strcmp(config->upstreams[i].name, name) == 0)
            return &config->upstreams[i];
    }
    return NULL;
}

const struct config_listen *config_listen(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->listen_count; i++) {
        if (strcmp(config->listens[i].name, name) == 0)
            return &config->listens[i];
    }
    return NULL;
}

const struct config_group *config_group(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->group_count; i++) {
        if (strcmp(config->groups[i].name, name) == 0)
            return &config->groups[i];
    }
    return NULL;
}

bool config_group_has(const void *config, const char *group, const char *user)
{
    const struct config_group *found = config_group(config, group);

    for (size_t i = 0; found && i < found->users.count; i++) {
        if (strcmp(found->users.items[i], user) == 0)
            return true;
    }
    return false;
}

bool config_listen_admits(const struct config *config, const struct config_listen *listen,
                          const char *user)
{
    for (size_t i = 0; i < listen->groups.count; i++) {
        if (config_group_has(config, listen->groups.items[i], user))
            return true;
    }
    return listen->groups.count == 0;
}

const struct config_forward *config_forward(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->forward_count; i++) {
        if (strcmp(config->forwards[i].name, name) == 0)
            return &config->forwards[i];
    }
    return NULL;
}

const struct config_listen *config_listen_at(const struct config *config, size_t index)
{
    if (index < config->listen_count)
        return &config->listens[index];
    index -= config->listen_count;
    for (size_t i = 0; i < config->forward_count; i++) {
        if (config->forwards[i].kind != FORWARD_REMOTE && index-- == 0)
            return &config->forwards[i].listen;
    }
    return NULL;
}

bool config_has_status(const struct config *config)
{
    return config->status.listen.address_count > 0;
}

bool config_listen_leads(const struct config_listen *listen)
{
    return listen->target.host != NULL || listen->target.path != NULL;
}

bool config_upstream_same_sessions(const struct config_upstream *a, const struct config_upstream *b)
{
    const struct section *section = section_find("upstream");

    if (a->by_openssh != b->by_openssh)
        return false;
    for (size_t i = 0; i < section->key_count; i++) {
        const struct key *key = &section->keys[i];
        if ((key->flags & KEY_SESSION) && !key_same(key, a, b))
            return false;
    }
    return true;
}

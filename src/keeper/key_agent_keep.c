/* Which keys the agent keeps. */
#include "keeper/key_agent_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"

#include <stdlib.h>
#include <string.h>

char *key_passphrase_name(const char *path)
{
    return mem_printf("passphrase of %s", path);
}

static void forget_passphrase(const char *path)
{
    char *name = key_passphrase_name(path);
    char *kept = secrets_get(name);

    if (kept != NULL)
        secrets_drop(name, kept);
    secret_free(kept);
    free(name);
}

static bool is_kept(const char *path, const struct string_list *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        if (strcmp(paths->items[i], path) == 0)
            return true;
    return false;
}

void loaded_key_remove(struct key_agent *keys, struct loaded_key *key)
{
    LIST_REMOVE(key, link);
    key_agent_remove(keys, span_of_buffer(&key->key));
    LIST_INSERT_HEAD(&keys->loaded, key, link);
    loaded_key_forget(key);
}

void key_agent_keep(struct key_agent *keys, const struct string_list *paths)
{
    struct loaded_key *key, *next;

    pthread_mutex_lock(&keys->lock);
    for (key = LIST_FIRST(&keys->loaded); key != NULL; key = next) {
        next = LIST_NEXT(key, link);
        if (is_kept(key->path, paths))
            continue;
        log_info("%s: no configuration in use has this key any more: it is forgotten", key->path);
        forget_passphrase(key->path);
        loaded_key_remove(keys, key);
    }
    pthread_mutex_unlock(&keys->lock);
}

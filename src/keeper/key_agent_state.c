/* The agent and what it has, through an upgrade. */
#include "keeper/key_agent_parts.h"

#include "base/base64.h"
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static void save_key(struct buffer *out, const struct loaded_key *key)
{
    char *base64 = mem_zalloc(BASE64_SIZE(buffer_length(&key->key)));

    base64_encode(buffer_data(&key->key), buffer_length(&key->key), base64);
    buffer_append(out, "key", 3);
    word_add(out, key->path);
    word_add(out, base64);
    word_add_number(out, key->file.st_dev);
    word_add_number(out, key->file.st_ino);
    word_add_number(out, (uint64_t)key->file.st_size);
    word_add_number(out, (uint64_t)key->file.st_mtim.tv_sec);
    word_add_number(out, (uint64_t)key->file.st_mtim.tv_nsec);
    word_add_number(out, (uint64_t)key->file.st_ctim.tv_sec);
    word_add_number(out, (uint64_t)key->file.st_ctim.tv_nsec);
    buffer_append(out, "\n", 1);
    free(base64);
}

static void save_agent(struct buffer *out, const struct ssh_agent *agent)
{
    buffer_append(out, "key", 3);
    word_add(out, agent->socket);
    word_add(out, "");
    word_add_number(out, (uint64_t)agent->agent);
    word_add_number(out, (uint64_t)agent->holder);
    word_add_number(out, (uint64_t)agent->hold);
    buffer_append(out, "\n", 1);
}

void key_agent_save(struct key_agent *keys, int flags, struct buffer *out)
{
    const struct loaded_key *key;

    pthread_mutex_lock(&keys->lock);
    if (keys->agent.socket != NULL) {
        fcntl(keys->agent.hold, F_SETFD, flags);
        if (out != NULL)
            save_agent(out, &keys->agent);
        LIST_FOREACH (key, &keys->loaded, link)
            if (out != NULL)
                save_key(out, key);
    }
    pthread_mutex_unlock(&keys->lock);
}

static bool restore_agent(struct key_agent *keys, const char *socket, struct word_reader *words)
{
    uint64_t agent, holder, hold;

    if (!word_next_number(words, INT_MAX, &agent) || !word_next_number(words, INT_MAX, &holder) ||
        !word_next_number(words, INT_MAX, &hold))
        return false;
    fcntl((int)hold, F_SETFD, FD_CLOEXEC);
    keys->agent = (struct ssh_agent){.socket = mem_strdup(socket),
                                     .agent = (pid_t)agent,
                                     .holder = (pid_t)holder,
                                     .hold = (int)hold};
    return true;
}

static bool restore_loaded(struct key_agent *keys, const char *path, const char *base64,
                           struct word_reader *words)
{
    struct loaded_key *key = mem_zalloc(sizeof(*key));
    const size_t room = BASE64_DECODED_MAX(strlen(base64));
    uint64_t numbers[7];
    size_t length;
    bool ok = base64_decode((struct text){base64, strlen(base64)}, false,
                            buffer_reserve(&key->key, room + 1), room, &length);

    if (ok)
        buffer_commit(&key->key, length);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        ok = ok && word_next_number(words, UINT64_MAX, &numbers[i]);
    key->path = mem_strdup(path);
    LIST_INSERT_HEAD(&keys->loaded, key, link);
    if (!ok) {
        loaded_key_forget(key);
        return false;
    }
    key->file.st_dev = numbers[0];
    key->file.st_ino = numbers[1];
    key->file.st_size = (off_t)numbers[2];
    key->file.st_mtim = (struct timespec){(time_t)numbers[3], (long)numbers[4]};
    key->file.st_ctim = (struct timespec){(time_t)numbers[5], (long)numbers[6]};
    return true;
}

bool key_agent_restore(struct key_agent *keys, struct word_reader *words)
{
    char *path = word_next(words);
    char *base64 = path != NULL ? word_next(words) : NULL;
    bool ok = base64 != NULL && (*base64 == '\0' ? restore_agent(keys, path, words)
                                                 : restore_loaded(keys, path, base64, words));

    free(path);
    free(base64);
    return ok;
}

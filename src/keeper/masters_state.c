/* Masters when another program takes over: they go on, and it finds them by their numbers. */
#include "keeper/master_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

void master_own(struct keeper_master *m, const struct master_events *events, void *arg)
{
    m->events = events;
    m->arg = arg;
}

void master_save(const struct keeper_master *m, uint32_t request, int flags, struct buffer *out)
{
    if (m->errors >= 0)
        fcntl(m->errors, F_SETFD, flags);
    if (out == NULL || !m->up)
        return;
    buffer_append(out, "master", 6);
    word_add_number(out, request);
    word_add_number(out, m->number);
    word_add_number(out, (uint64_t)proxy_command_process(m->process));
    word_add_number(out, m->errors >= 0 ? (uint64_t)m->errors : INT_MAX);
    word_add(out, m->name);
    buffer_append(out, "\n", 1);
}

void masters_save_left(const struct keeper_masters *all, const struct gateway_child *child,
                       int flags, struct buffer *out)
{
    const struct keeper_master *m;

    LIST_FOREACH (m, &all->all, link)
        if (m->child == child && m->events == NULL)
            master_save(m, 0, flags, out);
}

void masters_save(const struct keeper_masters *all, int flags, struct buffer *out)
{
    if (all->folder_lock >= 0)
        fcntl(all->folder_lock, F_SETFD, flags);
    if (out == NULL || all->folder == NULL)
        return;
    buffer_append(out, "masters", 7);
    word_add(out, all->folder);
    word_add_number(out, all->last_number);
    word_add_number(out, all->folder_lock >= 0 ? (uint64_t)all->folder_lock : INT_MAX);
    buffer_append(out, "\n", 1);
}

bool masters_restore(struct keeper_masters *all, struct word_reader *words)
{
    uint64_t last, lock = INT_MAX;
    char *folder = word_next(words);

    if (folder == NULL || !word_next_number(words, UINT32_MAX, &last) ||
        (!words_ended(words) && !word_next_number(words, INT_MAX, &lock))) {
        free(folder);
        return false;
    }
    if (lock != INT_MAX)
        fcntl((int)lock, F_SETFD, FD_CLOEXEC);
    masters_adopt_folder(all, folder, lock != INT_MAX ? (int)lock : -1);
    all->last_number = (uint32_t)last;
    return true;
}

bool master_restore(struct keeper_masters *all, struct gateway_child *child,
                    struct word_reader *words, uint32_t *request, struct keeper_master **master)
{
    uint64_t numbers[4];
    char *name;

    *master = NULL;
    for (size_t i = 0; i < 4; i++)
        if (!word_next_number(words, UINT32_MAX, &numbers[i]))
            return false;
    name = word_next(words);
    if (name == NULL || all->folder == NULL || numbers[3] > INT_MAX) {
        free(name);
        return false;
    }
    *request = (uint32_t)numbers[0];
    *master = master_new(all, child, (uint32_t)numbers[1], name);
    (*master)->up = true;
    if (numbers[3] != INT_MAX)
        fcntl((int)numbers[3], F_SETFD, FD_CLOEXEC);
    if (!master_watch(*master, (pid_t)numbers[2], (int)numbers[3])) {
        master_free(*master);
        *master = NULL;
    }
    return true;
}

/* What one program hands to the next when it is executed in its place: as lines of words
 * (conf/words.h) in a file in memory. What they name by number are descriptors that stay open. */
#include "keeper/keeper_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/serialise.h"
#include "conf/types.h"
#include "conf/words.h"
#include "io/listener.h"
#include "io/memory_file.h"
#include "io/passed_sockets.h"
#include "keeper/masters.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT 1

/* Saving. */

/* Whether what is executed has the descriptors. */
struct inheritance {
    const struct keeper *keeper;
    int flags;          /* of F_SETFD */
    struct buffer *out; /* NULL: nothing is written */
};

static void line(struct buffer *out, const char *name, const uint64_t *numbers, size_t count)
{
    buffer_append(out, name, strlen(name));
    for (size_t i = 0; i < count; i++)
        word_add_number(out, numbers[i]);
    buffer_append(out, "\n", 1);
}

static void hand_service(void *arg, int fd)
{
    const struct inheritance *to = arg;

    fcntl(fd, F_SETFD, to->flags);
    if (to->out != NULL)
        line(to->out, "service", (const uint64_t[]){(uint64_t)fd}, 1);
}

static void hand_command(void *arg, uint32_t request, pid_t pid)
{
    const struct inheritance *to = arg;

    if (to->out != NULL)
        line(to->out, "command", (const uint64_t[]){request, (uint64_t)pid}, 2);
}

/* (Nobody asks for it any more; but it is this process's child, to be waited for.) */
static void hand_left(void *arg, pid_t pid)
{
    const struct inheritance *to = arg;

    if (to->out != NULL)
        line(to->out, "left", (const uint64_t[]){(uint64_t)pid}, 1);
}

static void hand_master(void *arg, uint32_t request, const struct keeper_master *master)
{
    const struct inheritance *to = arg;

    master_save(master, request, to->flags, to->out);
}

/* (The child's service lines follow it, each with the commands and the masters that it has.) */
static void hand_child(struct inheritance *to, const char *name, const struct gateway_child *child)
{
    static const struct service_visitor visitor = {hand_service, hand_command, hand_master};
    int fd = packets_descriptor(child->packets);

    fcntl(fd, F_SETFD, to->flags);
    if (to->out != NULL)
        line(to->out, name, (const uint64_t[]){(uint64_t)child->pid, (uint64_t)fd, child->sent_id},
             3);
    service_lines_each(child, &visitor, to);
    masters_save_left(to->keeper->masters, child, to->flags, to->out);
}

static void hand_socket(void *arg, const struct bound_socket_info *info)
{
    const struct inheritance *to = arg;
    const struct listener_address *at = info->address;
    char ip[IP_TEXT_MAX];

    fcntl(info->fd, F_SETFD, to->flags);
    if (to->out == NULL)
        return;
    buffer_append(to->out, "socket", 6);
    word_add_number(to->out, info->id);
    word_add_number(to->out, info->index);
    word_add_number(to->out, (uint64_t)info->fd);
    word_add_number(to->out, info->port);
    word_add(to->out, info->name);
    word_add_number(to->out, at->is_unix);
    word_add_number(to->out, at->is_passed);
    word_add_number(to->out, at->index);
    word_add_number(to->out, info->has_path);
    word_add(to->out, at->path != NULL ? at->path : ip_format(&at->ip, ip));
    word_add_number(to->out, at->port);
    buffer_append(to->out, "\n", 1);
}

static void hand_all(struct inheritance *to)
{
    const struct keeper *k = to->keeper;
    const struct gateway_child *child;

    masters_save(k->masters, to->flags, to->out);
    hand_child(to, "current", k->current);
    LIST_FOREACH (child, &k->retired, link)
        hand_child(to, "retired", child);
    bound_sockets_each(k->sockets, hand_socket, to);
    key_agent_save(k->keys, to->flags, to->out);
    proxy_commands_each_left(k->commands, hand_left, to);
}

/* A file with the text, which is overwritten and freed, that is inherited. -1: errno. */
static int inherited_file(char *text)
{
    size_t length = strlen(text);
    int fd = memory_file_new("adit-upgrade", text, length);

    mem_free_secret(text, length);
    if (fd >= 0)
        fcntl(fd, F_SETFD, 0);
    return fd;
}

bool upgrade_state_save(const struct keeper *k)
{
    struct buffer out = {0};
    struct inheritance to = {.keeper = k, .flags = 0, .out = &out};
    int config = inherited_file(config_serialise(k->config, true));
    char number[16];
    int fd;

    if (config < 0)
        return false;
    line(&out, "adit-upgrade", (const uint64_t[]){FORMAT}, 1);
    line(&out, "state", (const uint64_t[]){k->up, k->left_terminal, k->had_terminal}, 3);
    line(&out, "config", (const uint64_t[]){(uint64_t)config}, 1);
    hand_all(&to);
    on_change_save(k->on_change, &out);
    buffer_append(&out, "end\n", 4);
    fd = inherited_file(text_take(&out));
    if (fd < 0) {
        close(config);
        upgrade_state_forget(k);
        return false;
    }
    snprintf(number, sizeof(number), "%d", fd);
    setenv(UPGRADE_STATE, number, 1);
    passed_sockets_hand_on();
    return true;
}

void upgrade_state_forget(const struct keeper *k)
{
    struct inheritance to = {.keeper = k, .flags = FD_CLOEXEC};

    hand_all(&to);
    unsetenv(UPGRADE_STATE);
    passed_sockets_keep();
}

/* Taking. */

/* So many numbers, each at most INT_MAX or, for identifiers, UINT32_MAX. */
static bool take_numbers(struct word_reader *words, uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!word_next_number(words, UINT32_MAX, &numbers[i]))
            return false;
    return true;
}

/* (The configuration in use; of an earlier adit it may have another format: then it is the one that
 * was read now.) */
static bool take_state_config(struct keeper *k, struct word_reader *words)
{
    uint64_t fd;
    struct config *config;

    if (!take_numbers(words, &fd, 1))
        return false;
    config = config_restore_file((int)fd);
    close((int)fd);
    if (config == NULL && k->config != NULL)
        config = config_ref(k->config);
    k->config = config;
    return config != NULL;
}

static struct gateway_child *take_child(struct keeper *k, struct word_reader *words)
{
    uint64_t numbers[3];

    if (!take_numbers(words, numbers, 3))
        return NULL;
    fcntl((int)numbers[1], F_SETFD, FD_CLOEXEC);
    return child_adopt(k, (pid_t)numbers[0], (int)numbers[1], (uint32_t)numbers[2]);
}

static bool take_socket(struct keeper *k, struct word_reader *words)
{
    uint64_t first[4], kind[4], port;
    struct listener_address at = {0};
    char *name = NULL;
    char *place = NULL;
    bool ok = take_numbers(words, first, 4) && (name = word_next(words)) != NULL &&
              take_numbers(words, kind, 4) && (place = word_next(words)) != NULL &&
              take_numbers(words, &port, 1);

    if (ok) {
        at.is_unix = kind[0] != 0;
        at.is_passed = kind[1] != 0;
        at.index = (unsigned)kind[2];
        at.path = at.is_unix || at.is_passed ? place : NULL;
        at.port = (uint16_t)port;
        ok = at.path != NULL || ip_parse(place, &at.ip);
    }
    if (ok) {
        fcntl((int)first[2], F_SETFD, FD_CLOEXEC);
        bound_sockets_adopt(k->sockets, &(struct bound_socket_info){
                                            .id = (uint32_t)first[0],
                                            .index = (uint32_t)first[1],
                                            .fd = (int)first[2],
                                            .port = (uint16_t)first[3],
                                            .name = name,
                                            .has_path = kind[3] != 0,
                                            .left = at.is_passed,
                                            .address = &at,
                                        });
    }
    free(name);
    free(place);
    return ok;
}

static struct gateway_child *last_child(const struct keeper *k)
{
    return LIST_EMPTY(&k->retired) ? k->current : LIST_FIRST(&k->retired);
}

static bool take_line_command(const struct keeper *k, struct word_reader *words)
{
    struct gateway_child *child = last_child(k);
    uint64_t numbers[2];

    if (child == NULL || !take_numbers(words, numbers, 2))
        return false;
    service_line_adopt_command(child, (uint32_t)numbers[0], (pid_t)numbers[1]);
    return true;
}

static bool take_left_command(const struct keeper *k, struct word_reader *words)
{
    uint64_t pid;

    if (!take_numbers(words, &pid, 1))
        return false;
    proxy_command_adopt(k->commands, (pid_t)pid, NULL, NULL);
    return true;
}

static bool take_state_master(const struct keeper *k, struct word_reader *words)
{
    struct gateway_child *child = last_child(k);
    struct keeper_master *master;
    uint32_t request;

    if (child == NULL || !master_restore(k->masters, child, words, &request, &master))
        return false;
    if (master != NULL && request != 0)
        service_line_adopt_master(child, request, master);
    return true;
}

static bool take_service(struct keeper *k, struct word_reader *words)
{
    struct gateway_child *child = last_child(k);
    uint64_t fd;

    if (child == NULL || !take_numbers(words, &fd, 1))
        return false;
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return service_line_adopt(child, (int)fd);
}

static bool take_state_child(struct keeper *k, const char *name, struct word_reader *words)
{
    struct gateway_child *child = take_child(k, words);

    if (child == NULL)
        return false;
    if (strcmp(name, "current") == 0) {
        k->current = child;
    } else {
        child->retired = true;
        LIST_INSERT_HEAD(&k->retired, child, link);
    }
    return true;
}

static bool take_state_line(struct keeper *k, const char *name, struct word_reader *words)
{
    uint64_t numbers[3];

    if (strcmp(name, "adit-upgrade") == 0)
        return word_next_number(words, FORMAT, numbers) && numbers[0] == FORMAT;
    if (strcmp(name, "state") == 0) {
        if (!take_numbers(words, numbers, 3))
            return false;
        k->up = numbers[0] != 0;
        k->left_terminal = k->detached = numbers[1] != 0;
        k->had_terminal = numbers[2] != 0;
        return true;
    }
    if (strcmp(name, "config") == 0)
        return take_state_config(k, words);
    if (strcmp(name, "socket") == 0)
        return take_socket(k, words);
    if (strcmp(name, "service") == 0)
        return take_service(k, words);
    if (strcmp(name, "key") == 0)
        return key_agent_restore(k->keys, words);
    if (strcmp(name, "command") == 0)
        return take_line_command(k, words);
    if (strcmp(name, "masters") == 0)
        return masters_restore(k->masters, words);
    if (strcmp(name, "master") == 0)
        return take_state_master(k, words);
    if (strcmp(name, "left") == 0)
        return take_left_command(k, words);
    if (strcmp(name, "change") == 0)
        return on_change_restore(k->on_change, words);
    if (strcmp(name, "change-program") == 0)
        return on_change_restore_program(k->on_change, words);
    if (strcmp(name, "end") == 0)
        return true;
    return take_state_child(k, name, words);
}

static bool take_lines(struct keeper *k, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        size_t name_length = strcspn(text, " \n");
        struct word_reader words = {.at = text + name_length, .end = text + length};
        char *name = mem_strndup(text, name_length);
        bool ok = text[length] == '\n' && take_state_line(k, name, &words) && words_ended(&words);
        free(name);
        if (!ok)
            return false;
        text += length + 1;
    }
    return k->current != NULL;
}

bool upgrade_state_take(struct keeper *k)
{
    int fd = atoi(getenv(UPGRADE_STATE));
    char *text = memory_file_text(fd);
    bool ok;

    close(fd);
    unsetenv(UPGRADE_STATE);
    k->started = true;
    ok = text != NULL && take_lines(k, text);
    if (!ok)
        log_error("what %s has cannot be read: this adit cannot take over", UPGRADE_STATE);
    free(text);
    return ok;
}

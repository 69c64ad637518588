/* Processes of gateways: how one is started, and what it is sent. */
#include "keeper/keeper_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/slow_copies.h"
#include "conf/serialise.h"
#include "conf/types.h"
#include "io/memory_file.h"
#include "io/own_program.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Messages. */

void child_send(struct gateway_child *child, enum keeper_message_kind kind, const uint32_t *numbers,
                const char *const *texts, size_t text_count, int fd)
{
    struct buffer packet = {0};

    if (child != NULL && keeper_message_write(&packet, kind, numbers, texts, text_count))
        packets_send(child->packets, (struct span){buffer_data(&packet), buffer_length(&packet)},
                     fd);
    else if (fd >= 0)
        close(fd);
    buffer_clear(&packet);
}

void child_send_signal(struct gateway_child *child, enum keeper_signal number)
{
    child_send(child, KEEPER_SIGNAL, (const uint32_t[]){(uint32_t)number}, NULL, 0, -1);
}

static int copy_of_descriptor(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void send_socket(void *arg, const struct bound_socket_info *info)
{
    struct gateway_child *child = arg;
    int fd = info->id > child->sent_id ? copy_of_descriptor(info->fd) : -1;

    child_send(child, KEEPER_SOCKET,
               (const uint32_t[]){info->id, info->index, info->port, info->left}, &info->name, 1,
               fd);
}

static void note_last_id(void *arg, const struct bound_socket_info *info)
{
    uint32_t *last = arg;

    if (info->id > *last)
        *last = info->id;
}

void child_send_sockets(struct gateway_child *child)
{
    bound_sockets_each(child->keeper->sockets, send_socket, child);
    bound_sockets_each(child->keeper->sockets, note_last_id, &child->sent_id);
}

/* A file in memory with the text, which is then overwritten and freed; -1: errno. */
static int file_of_text(char *text)
{
    size_t length = strlen(text);
    int fd = memory_file_new("adit-configuration", text, length);

    mem_free_secret(text, length);
    return fd;
}

static char *lines_of(const struct config_problems *problems)
{
    struct buffer text = {0};

    for (size_t i = 0; i < problems->count; i++) {
        buffer_append(&text, problems->lines[i], strlen(problems->lines[i]));
        buffer_append(&text, "\n", 1);
    }
    return text_take(&text);
}

void child_send_config(struct gateway_child *child, uint32_t serial, const struct config *config,
                       const char *error, const struct config_problems *problems)
{
    int fd =
        file_of_text(config != NULL ? config_serialise_for_gateway(config) : lines_of(problems));

    if (fd < 0) {
        log_error("memfd_create: %s", strerror(errno));
        child_condemn(child, "cannot be sent a configuration");
        return;
    }
    child_send(child, KEEPER_CONFIG, (const uint32_t[]){serial, config != NULL}, &error, 1, fd);
}

/* A name a line; the caller frees. */
static char *lines_of_names(const struct string_list *names)
{
    struct buffer text = {0};

    for (size_t i = 0; i < names->count; i++) {
        buffer_append(&text, "\n", i > 0);
        buffer_append(&text, names->items[i], strlen(names->items[i]));
    }
    return text_take(&text);
}

static void send_start(struct gateway_child *child)
{
    const struct keeper *k = child->keeper;
    const struct options *o = k->options;
    const struct config_place *to = &o->stdio_target;
    uint32_t flags = (o->may_ask ? KEEPER_FLAG_MAY_ASK : 0) |
                     (o->first_failure_ends ? KEEPER_FLAG_FIRST_FAILURE_ENDS : 0) |
                     (o->stdio ? KEEPER_FLAG_STDIO : 0) |
                     (k->sources.argv != NULL ? KEEPER_FLAG_READS_AGAIN : 0) |
                     (k->log_fd != STDERR_FILENO ? KEEPER_FLAG_LOG_FILE : 0) |
                     (k->up ? KEEPER_FLAG_UP : 0) | (o->tries ? KEEPER_FLAG_TRY : 0) |
                     (o->json ? KEEPER_FLAG_JSON : 0);
    const uint32_t numbers[] = {(uint32_t)getpid(), o->verbose, flags, to->port};
    char *tries = lines_of_names(&o->try_upstreams);
    const char *const texts[] = {o->stdio_via, to->host, to->path, tries};

    child_send(child, KEEPER_START, numbers, texts, 4, copy_of_descriptor(k->log_fd));
    free(tries);
}

void child_condemn(struct gateway_child *child, const char *what)
{
    log_error("the gateway (process %d) %s: it is killed", (int)child->pid, what);
    own_program_kill(child->pid);
    /* (The pair's end follows by itself, unless another process has the gateway's end of it.) */
    socket_shutdown(packets_descriptor(child->packets));
}

/* Processes. */

/* The environment with one setting more; the caller frees the array. */
static char **gateway_environment(const char *setting)
{
    size_t count = 0;
    char **all;

    while (environ[count] != NULL)
        count++;
    all = mem_zalloc((count + 2) * sizeof(char *));
    memcpy(all, environ, count * sizeof(char *));
    all[count] = (char *)setting;
    return all;
}

static pid_t start_process(int end)
{
    char name[] = KEEPER_GATEWAY_NAME;
    char *argv[] = {name, NULL};
    char **environment = gateway_environment(slow_copies_setting());
    pid_t child = own_program_start(argv, environment, end);

    free(environment);
    return child;
}

struct config *child_config(const struct gateway_child *child)
{
    struct config *offered =
        child == child->keeper->current ? changing_offered(child->keeper) : NULL;

    return offered != NULL ? offered : child->config;
}

bool child_find_place(const struct gateway_child *child, const char *name, const char *entry,
                      struct child_place *place)
{
    struct config *const asked_by[] = {child_config(child), child->config};

    for (size_t i = 0; i < sizeof(asked_by) / sizeof(asked_by[0]); i++) {
        place->config = asked_by[i];
        place->upstream = config_upstream(place->config, name);
        if (place->upstream != NULL && upstream_host_find(place->upstream, entry, &place->host))
            return true;
    }
    return false;
}

void child_use(struct gateway_child *child, struct config *config)
{
    config_ref(config);
    config_unref(child->config);
    child->config = config;
}

static void child_discard(struct gateway_child *child)
{
    quota_unref(child->quotas.logins);
    quota_unref(child->quotas.agents);
    quota_unref(child->quotas.commands);
    quota_unref(child->quotas.masters);
    guess_queue_free(child->guesses);
    config_unref(child->config);
    free(child);
}

struct gateway_child *child_adopt(struct keeper *k, pid_t pid, int end, uint32_t sent_id)
{
    struct gateway_child *child = mem_zalloc(sizeof(*child));

    child->keeper = k;
    child->pid = pid;
    child->sent_id = sent_id;
    child->began = loop_now(k->loop);
    child->config = config_ref(k->config);
    LIST_INIT(&child->lines);
    child->quotas = (struct child_quotas){.logins = quota_new(CHILD_LOGINS_MAX),
                                          .agents = quota_new(CHILD_AGENTS_MAX),
                                          .commands = quota_new(CHILD_COMMANDS_MAX),
                                          .masters = quota_new(CHILD_MASTERS_MAX)};
    child->guesses = guess_queue_new(k->checks);
    child->packets = packets_new(k->loop, end,
                                 &(struct packets_options){.max = KEEPER_PACKET_MAX,
                                                           .received = child_received,
                                                           .ended = child_ended,
                                                           .arg = child,
                                                           .queue_max = PACKETS_UNREAD_MAX});
    if (child->packets != NULL)
        return child;
    child_discard(child);
    return NULL;
}

static struct gateway_child *start_failed(const char *call, int ends[static 2])
{
    log_error("%s: %s: there can be no gateway", call, strerror(errno));
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return NULL;
}

struct gateway_child *child_new(struct keeper *k, struct config *config, bool with_sockets)
{
    static const struct config_problems no_problems;
    struct gateway_child *child;
    int ends[2] = {-1, -1};
    pid_t pid;

    if (!packet_pair(ends))
        return start_failed("socketpair", ends);
    pid = start_process(ends[1]);
    if (pid < 0)
        return start_failed("posix_spawn", ends);
    close(ends[1]);
    child = child_adopt(k, pid, ends[0], 0);
    if (child == NULL) {
        own_program_reap(pid);
        return NULL;
    }
    child_use(child, config);
    send_start(child);
    if (with_sockets)
        child_send_sockets(child);
    child_send_config(child, 0, config, NULL, &no_problems);
    return child;
}

void child_free(struct gateway_child *child)
{
    if (child == NULL)
        return;
    service_lines_close(child);
    login_lines_cut(child);
    packets_free(child->packets);
    child_discard(child);
}

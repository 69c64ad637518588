/* The gateway: its start, what it sends, its end. */
#include "keeper/keeper_parts.h"

#include "base/exit_status.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slow_copies.h"
#include "base/visible.h"
#include "conf/serialise.h"
#include "conf/types.h"
#include "io/background.h"
#include "io/memory_file.h"
#include "io/notify.h"
#include "io/own_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A gateway that crashes is replaced so often at most. */
#define RESTART_MS 1000

/* Messages to it. */

void child_send(struct keeper *k, enum keeper_message_kind kind, const uint32_t *numbers,
                const char *const *texts, size_t text_count, int fd)
{
    struct buffer packet = {0};

    if (k->packets != NULL && keeper_message_write(&packet, kind, numbers, texts, text_count))
        packets_send(k->packets, (struct span){buffer_data(&packet), buffer_length(&packet)}, fd);
    else if (fd >= 0)
        close(fd);
    buffer_clear(&packet);
}

static int copy_of_descriptor(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void send_socket(void *arg, const struct bound_socket_info *info)
{
    struct keeper *k = arg;
    int fd = info->id > k->sent_id ? copy_of_descriptor(info->fd) : -1;

    child_send(k, KEEPER_SOCKET, (const uint32_t[]){info->id, info->index, info->port}, &info->name,
               1, fd);
}

static void note_last_id(void *arg, const struct bound_socket_info *info)
{
    uint32_t *last = arg;

    if (info->id > *last)
        *last = info->id;
}

void child_send_sockets(struct keeper *k)
{
    bound_sockets_each(k->sockets, send_socket, k);
    bound_sockets_each(k->sockets, note_last_id, &k->sent_id);
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

void child_send_config(struct keeper *k, uint32_t serial, const struct config *config,
                       const char *error, const struct config_problems *problems)
{
    int fd = file_of_text(config != NULL ? config_serialise(config, true) : lines_of(problems));

    if (fd < 0) {
        log_error("memfd_create: %s", strerror(errno));
        child_condemn(k, "cannot be sent a configuration");
        return;
    }
    child_send(k, KEEPER_CONFIG, (const uint32_t[]){serial, config != NULL}, &error, 1, fd);
}

static void send_start(struct keeper *k)
{
    const struct options *o = k->options;
    const struct config_place *to = &o->stdio_target;
    uint32_t flags = (o->may_ask ? KEEPER_FLAG_MAY_ASK : 0) |
                     (o->first_failure_ends ? KEEPER_FLAG_FIRST_FAILURE_ENDS : 0) |
                     (o->stdio ? KEEPER_FLAG_STDIO : 0) |
                     (k->sources.argv != NULL ? KEEPER_FLAG_READS_AGAIN : 0) |
                     (k->log_fd != STDERR_FILENO ? KEEPER_FLAG_LOG_FILE : 0) |
                     (k->up ? KEEPER_FLAG_UP : 0);
    const uint32_t numbers[] = {(uint32_t)getpid(), o->verbose, flags, to->port};
    const char *const texts[] = {o->stdio_via, to->host, to->path};

    child_send(k, KEEPER_START, numbers, texts, 3, copy_of_descriptor(k->log_fd));
}

void child_detach(struct keeper *k)
{
    const struct options *o = k->options;

    if (!o->background || k->detached)
        return;
    k->detached = true;
    /* With debug lines on standard error it stays open, as ssh does with -v. */
    child_send(k, KEEPER_DETACH,
               (const uint32_t[]){o->log_file == NULL && log_wants(ADIT_LOG_DEBUG)}, NULL, 0, -1);
}

/* Messages from it. */

static void detach_keeper(struct keeper *k)
{
    k->left_terminal = true;
    log_flush(); /* to where it went until now */
    background_detach(k->options->log_file == NULL && log_wants(ADIT_LOG_DEBUG));
    log_reopen();
}

/* Whether -f does not wait for the first session: a tunnel that tries for ever may wait long, and
 * who starts a machine does not. */
static bool detaches_at_once(const struct options *options)
{
    return options->may_ask && !options->first_failure_ends;
}

static bool notify(struct keeper *k, struct keeper_message *message)
{
    struct span text = keeper_message_text(message);
    char *status;

    switch (message->numbers[0]) {
    case KEEPER_NOTICE_READY: notify_send("READY=1"); return true;
    case KEEPER_NOTICE_RELOADING: notify_reloading(); return true;
    case KEEPER_NOTICE_STOPPING:
        notify_send("STOPPING=1");
        k->ending = true;
        return true;
    case KEEPER_NOTICE_STATUS:
        status = mem_strndup((const char *)text.bytes, text.length);
        text_mark_invisible(status, ' '); /* (a line's end would begin another variable) */
        notify_send("STATUS=%s", status);
        free(status);
        return true;
    default: return false;
    }
}

/* False: it may not be sent now. */
static bool take_message(struct keeper *k, struct keeper_message *message)
{
    switch (message->kind) {
    case GATEWAY_READY:
        k->started = true;
        if (k->up || detaches_at_once(k->options))
            child_detach(k);
        return true;
    case GATEWAY_UP:
        k->up = true;
        child_detach(k);
        if (k->trial)
            keeper_order_end(k);
        return true;
    case GATEWAY_DETACHED:
        if (!k->detached || k->left_terminal)
            return false;
        detach_keeper(k);
        return true;
    case GATEWAY_CHANGE: return changing_begin(k, message);
    case GATEWAY_CHANGED: return changing_taken(k, message->numbers[0], message->numbers[1] != 0);
    case GATEWAY_NOTIFY: return notify(k, message);
    case GATEWAY_CLOSED:
        k->ending = true;
        changing_abandon(k);
        bound_sockets_close(k->sockets, false);
        return true;
    case KEEPER_START:
    case KEEPER_SOCKET:
    case KEEPER_CONFIG:
    case KEEPER_SIGNAL:
    case KEEPER_LOG:
    case KEEPER_DETACH:
    case KEEPER_MESSAGE_KINDS: break;
    }
    return false;
}

static void on_child_packet(void *arg, struct span packet, int *fd)
{
    struct keeper *k = arg;
    struct keeper_message message;

    if (!keeper_message_parse(packet, *fd >= 0, true, &message) || !take_message(k, &message))
        child_condemn(k, "has sent what it may not");
}

void child_condemn(struct keeper *k, const char *what)
{
    log_error("the gateway (process %d) %s: it is killed", (int)k->child, what);
    own_program_kill(k->child); /* (the pair's end follows) */
}

/* Its end. */

static void on_restart(struct deadline *deadline)
{
    struct keeper *k = container_of(deadline, struct keeper, restart);

    if (!child_start(k))
        deadline_arm(k->loop, &k->restart, RESTART_MS, on_restart);
}

/* Whether another gateway can take up what one has left behind: not the one connection of -W, and
 * not a start that a failure would end, or that a person waits for. */
static bool is_replaceable(const struct keeper *k)
{
    return k->started && !k->ending && !k->options->stdio &&
           (k->up || !k->options->first_failure_ends);
}

/* It was killed: by a signal of its own making, or another process's. */
static void child_died(struct keeper *k, int number)
{
    uint64_t age = loop_now(k->loop) - k->child_began;
    char *what = mem_printf("the gateway was killed by signal %d (%s)", number, strsignal(number));

    if (is_replaceable(k)) {
        log_error("%s: another one is started", what);
        deadline_arm(k->loop, &k->restart, age < RESTART_MS ? RESTART_MS - age : 1, on_restart);
    } else {
        keeper_report_failure(k, what);
        keeper_end(k, EXIT_SSH);
    }
    free(what);
}

static void on_child_ended(void *arg)
{
    struct keeper *k = arg;
    int status = own_program_reap(k->child);

    k->child = -1;
    packets_free(k->packets);
    k->packets = NULL;
    k->detached = k->left_terminal;
    changing_abandon(k);
    if (WIFEXITED(status))
        keeper_end(k, WEXITSTATUS(status));
    else
        child_died(k, WTERMSIG(status));
}

/* Its start. */

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

static bool start_failed(const char *call, int ends[static 2])
{
    log_error("%s: %s: there can be no gateway", call, strerror(errno));
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return false;
}

bool child_start(struct keeper *k)
{
    const struct packets_options options = {KEEPER_PACKET_MAX, on_child_packet, on_child_ended, k};
    int ends[2] = {-1, -1};

    k->child_began = loop_now(k->loop);
    if (!packet_pair(ends))
        return start_failed("socketpair", ends);
    k->child = start_process(ends[1]);
    if (k->child < 0)
        return start_failed("posix_spawn", ends);
    close(ends[1]);
    k->packets = packets_new(k->loop, ends[0], &options);
    if (k->packets == NULL) {
        own_program_reap(k->child);
        k->child = -1;
        return false;
    }
    k->sent_id = 0;
    send_start(k);
    child_send_sockets(k);
    child_send_config(k, 0, k->config, NULL, &(struct config_problems){0});
    if (k->reload_missed)
        child_send(k, KEEPER_SIGNAL, (const uint32_t[]){KEEPER_SIGNAL_RELOAD}, NULL, 0, -1);
    k->reload_missed = false;
    return true;
}

void child_free(struct keeper *k)
{
    packets_free(k->packets);
}

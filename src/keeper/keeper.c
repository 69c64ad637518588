/* The first process: its start, its signals, its end. */
#include "keeper/keeper_parts.h"

#include "base/exit_status.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "io/background.h"
#include "io/own_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* libssh keeps a descriptor in 16 bits: a larger one would be taken for another socket. */
#define DESCRIPTORS_MAX 65536

/* A gateway that is to end at once has this long: it takes 5 s for a worker that stands still and
 * as much for a dial. */
#define ENDS_AT_ONCE_MS 15000

static const int handled[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
#define HANDLED (sizeof(handled) / sizeof(handled[0]))

/* The log. */

void keeper_apply_log(const struct keeper *k)
{
    unsigned level = (unsigned)k->config->gateway.log + k->options->verbose;

    log_setup(k->log_fd, level < ADIT_LOG_DEBUG ? (enum log_level)level : ADIT_LOG_DEBUG,
              k->config->gateway.log_format);
}

void keeper_report_failure(const struct keeper *k, const char *sentence)
{
    char *line;

    if (keeper_is_command_line(k)) {
        line = mem_printf("adit: %s", sentence);
        text_mark_invisible(line, ' ');
        log_print(line);
        free(line);
    }
    if (!keeper_is_command_line(k) || k->log_fd != STDERR_FILENO)
        log_error("%s", sentence);
}

/* The descriptor of the log; -1: it cannot be opened, and standard error says why. */
static int open_log(const char *file)
{
    int fd = STDERR_FILENO;

    if (file != NULL)
        fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        fprintf(stderr, "adit: %s: %s\n", file, strerror(errno));
    return fd;
}

/* The file of -E may have been moved: the descriptor of both processes leads to the one of that
 * name from now on. (Lines that wait for a disk go there, too: to wait for that disk here would
 * stop this thread.) */
static void reopen_log(struct keeper *k)
{
    const char *file = k->options->log_file;
    int fd;

    if (file == NULL)
        return;
    fd = open_log(file);
    if (fd < 0) {
        log_error("%s cannot be opened again: %s", file, strerror(errno));
        return;
    }
    dup3(fd, k->log_fd, O_CLOEXEC);
    log_reopen();
    child_send(k, KEEPER_LOG, NULL, NULL, 0, fd);
}

/* The end. */

void keeper_end(struct keeper *k, int status)
{
    k->ending = true;
    k->status = status;
    deadline_cancel(&k->restart);
    deadline_cancel(&k->patience);
    loop_stop(k->loop);
}

static void on_gateway_overdue(struct deadline *patience)
{
    struct keeper *k = container_of(patience, struct keeper, patience);

    child_condemn(k, "does not end");
}

/* A first signal has a file's gateway drain, as long as its configuration says; whatever is to end
 * at once has little time. */
void keeper_order_end(struct keeper *k)
{
    bool at_once = k->ending || keeper_is_command_line(k);

    if (k->child < 0) {
        keeper_end(k, keeper_is_command_line(k) && !k->up ? EXIT_SSH : 0);
        return;
    }
    k->ending = true;
    child_send(k, KEEPER_SIGNAL, (const uint32_t[]){KEEPER_SIGNAL_END}, NULL, 0, -1);
    if (at_once)
        deadline_arm(k->loop, &k->patience, ENDS_AT_ONCE_MS, on_gateway_overdue);
}

/* Signals. */

/* Whether the terminal that a command line was started at is gone: that SIGHUP is the terminal's,
 * and ends it as it ends ssh(1). */
static bool has_hung_up(const struct keeper *k)
{
    return k->had_terminal && keeper_is_command_line(k) && !background_has_terminal();
}

static void on_keeper_signal(void *arg, int number)
{
    struct keeper *k = arg;

    if (number == SIGUSR1) {
        child_send(k, KEEPER_SIGNAL, (const uint32_t[]){KEEPER_SIGNAL_STATE}, NULL, 0, -1);
    } else if (number == SIGHUP && !has_hung_up(k)) {
        reopen_log(k);
        k->reload_missed = k->child < 0;
        child_send(k, KEEPER_SIGNAL, (const uint32_t[]){KEEPER_SIGNAL_RELOAD}, NULL, 0, -1);
    } else {
        keeper_order_end(k);
    }
}

/* (A command line that nohup(1) started goes on ignoring SIGHUP.) */
static size_t handled_count(const struct config *config)
{
    struct sigaction action;
    bool ignored = sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;

    return config->file == NULL && ignored ? HANDLED - 1 : HANDLED;
}

/* The start. */

/* Each connection takes descriptors: the soft limit becomes the hard one, for the gateway, which
 * inherits it. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("RLIMIT_NOFILE cannot be raised: %s", strerror(errno));
}

static bool bind_sockets(struct keeper *k)
{
    char error[BOUND_SOCKETS_ERROR_MAX];
    bool ok = bound_sockets_prepare(k->sockets, k->config, NULL, error);

    bound_sockets_commit(k->sockets, ok);
    if (!ok)
        keeper_report_failure(k, error);
    return ok;
}

/* False: something could not be had, and that was reported. */
static bool keeper_start(struct keeper *k)
{
    size_t signals = handled_count(k->config);

    signals_hold(handled, signals);
    k->had_terminal = background_has_terminal();
    keeper_apply_log(k);
    k->loop = loop_new();
    if (k->loop == NULL)
        abort();
    k->mailbox = mailbox_new(k->loop, k);
    k->sockets = bound_sockets_new();
    k->signals = signals_new(k->loop, handled, signals, on_keeper_signal, k);
    if (k->signals == NULL || !bind_sockets(k))
        return false;
    k->sources.find_hosts(k->config);
    if (!child_start(k))
        return false;
    /* (Who reads standard output, or writes standard input, waits for the gateway alone.) */
    if (k->options->stdio)
        background_leave_stdio();
    return true;
}

static void keeper_free(struct keeper *k)
{
    changing_free(k);
    child_free(k);
    signals_free(k->signals);
    bound_sockets_free(k->sockets);
    mailbox_free(k->mailbox);
    loop_free(k->loop);
    config_unref(k->config);
}

static int run_keeper(struct options *options, find_hosts_fn *find_hosts, bool trial)
{
    struct keeper k = {
        .options = options,
        .sources = {.argv = options->stdio ? NULL : options->argv, .find_hosts = find_hosts},
        .config = options->config,
        .log_fd = open_log(options->log_file),
        .child = -1,
        .trial = trial,
        .status = EXIT_SSH,
    };

    if (k.log_fd < 0)
        return EX_USAGE;
    if (options->background && !background_begin()) {
        fprintf(stderr, "adit: fork: %s\n", strerror(errno));
        return EXIT_SSH;
    }
    options->config = NULL;
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    log_setup(k.log_fd, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    log_start();
    if (keeper_start(&k))
        loop_run(k.loop);
    keeper_free(&k);
    log_stop();
    return k.status;
}

int keeper_run(struct options *options, find_hosts_fn *find_hosts)
{
    return run_keeper(options, find_hosts, false);
}

int keeper_try(struct config *config, find_hosts_fn *find_hosts)
{
    struct options options = {.config = config, .may_ask = true, .first_failure_ends = true};

    return run_keeper(&options, find_hosts, true);
}

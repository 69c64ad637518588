/* The first process: its start, its signals, its end. */
#include "keeper/keeper_parts.h"

#include "base/exit_status.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "io/background.h"
#include "io/own_program.h"
#include "io/sandbox.h"
#include "keeper/forward_sockets.h"
#include "keeper/masters.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* libssh keeps a descriptor in 16 bits: a larger one would be taken for another socket. */
#define DESCRIPTORS_MAX 65536

/* A gateway that is to end at once has this long: it takes 5 s for a worker that stands still and
 * as much for a dial. */
#define ENDS_AT_ONCE_MS 15000

static const int handled[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGWINCH, SIGHUP};
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

/* (Takes over the descriptor.) */
static void send_log(struct keeper *k, int fd)
{
    struct gateway_child *child;

    LIST_FOREACH (child, &k->retired, link)
        child_send(child, KEEPER_LOG, NULL, NULL, 0, fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (k->successor != NULL)
        child_send(k->successor, KEEPER_LOG, NULL, NULL, 0, fcntl(fd, F_DUPFD_CLOEXEC, 3));
    child_send(k->current, KEEPER_LOG, NULL, NULL, 0, fd);
}

/* (Lines that wait for a disk go to the new file, too: to wait for that disk here would stop this
 * thread.) */
void keeper_reopen_log(struct keeper *k)
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
    send_log(k, fd);
}

/* The end. */

void keeper_child_gone(struct keeper *k)
{
    if (k->ended && k->current == NULL && k->successor == NULL && LIST_EMPTY(&k->retired))
        loop_stop(k->loop);
}

void keeper_end(struct keeper *k, int status)
{
    k->ending = true;
    k->ended = true;
    k->status = status;
    deadline_cancel(&k->restart);
    if (LIST_EMPTY(&k->retired))
        deadline_cancel(&k->patience);
    upgrade_abandon(k);
    bound_sockets_close(k->sockets, true);
    forward_sockets_keep(k->forward_sockets, NULL);
    keeper_child_gone(k);
}

static void on_gateways_overdue(struct deadline *patience)
{
    struct keeper *k = container_of(patience, struct keeper, patience);
    struct gateway_child *child;

    if (k->current != NULL)
        child_condemn(k->current, "does not end");
    LIST_FOREACH (child, &k->retired, link)
        child_condemn(child, "does not end");
}

static void send_end(struct keeper *k)
{
    struct gateway_child *child;

    child_send_signal(k->current, KEEPER_SIGNAL_END);
    LIST_FOREACH (child, &k->retired, link)
        child_send_signal(child, KEEPER_SIGNAL_END);
    deadline_arm(k->loop, &k->patience, ENDS_AT_ONCE_MS, on_gateways_overdue);
}

/* Has the gateway drain, for as long as its configuration says, as those do that have retired. */
static void send_drain(struct keeper *k)
{
    const struct config *config = k->config;
    uint64_t announce_ms = config_has_status(config) ? config->status.drain_announce_ms : 0;

    child_send_signal(k->current, KEEPER_SIGNAL_END);
    if (config->gateway.drain_timeout_ms > 0)
        deadline_arm(k->loop, &k->patience,
                     announce_ms + config->gateway.drain_timeout_ms + ENDS_AT_ONCE_MS,
                     on_gateways_overdue);
}

/* A first signal has a file's gateway drain; whatever is to end at once has little time. */
void keeper_order_end(struct keeper *k)
{
    bool at_once = k->ending || keeper_is_command_line(k);

    if (k->ended && LIST_EMPTY(&k->retired))
        return; /* (a signal that came with the gateway's end) */
    k->ending = true;
    upgrade_abandon(k);
    if (at_once)
        send_end(k);
    else
        send_drain(k);
    if (k->current == NULL && !k->ended)
        keeper_end(k, keeper_is_command_line(k) && !k->up ? EXIT_SSH : 0);
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
        child_send_signal(k->current, KEEPER_SIGNAL_STATE);
    } else if (number == SIGWINCH) {
        child_send_signal(k->current, KEEPER_SIGNAL_WINDOW);
    } else if (number == SIGUSR2) {
        upgrade_ask(k);
    } else if (number == SIGHUP && !has_hung_up(k)) {
        keeper_reopen_log(k);
        k->reload_missed = k->current == NULL;
        child_send_signal(k->current, KEEPER_SIGNAL_RELOAD);
    } else {
        keeper_order_end(k);
    }
}

/* (A command line that nohup(1) started goes on ignoring SIGHUP.) */
static size_t handled_count(const struct config *config)
{
    struct sigaction action;
    bool ignored = sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;

    return config != NULL && config->file == NULL && ignored ? HANDLED - 1 : HANDLED;
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

/* What this process knows is no other process's of the same user, and goes into no core. (Programs
 * that it executes are as they always are.) */
static void hide_memory(const struct config *config)
{
    /* (After an upgrade the configuration may be one that cannot be read any more.) */
    bool hides =
        (config == NULL || config->gateway.sandbox != CONFIG_SANDBOX_OFF) && !sandbox_is_left_out();

    if (hides && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        log_warning("PR_SET_DUMPABLE: %s", strerror(errno));
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

/* After an upgrade: what this process was before goes on, until a gateway with the configuration
 * that was read again can succeed it. (It could be read a moment ago, when the upgrade was checked.
 * If it cannot any more, the gateway from before goes on.) */
static bool keeper_take_over(struct keeper *k)
{
    struct config *config = k->config;
    struct config_problems problems = {0};
    struct config *with_forwards = NULL;

    if (!upgrade_state_take(k))
        return false;
    keeper_apply_log(k);
    if (config == NULL) {
        log_error(
            "upgrade: the configuration cannot be read any more: the gateway from before goes "
            "on (`adit --check` with the same options says why)");
        return true;
    }
    if (config->file == NULL) /* (the forwards that were asked for with -O stay) */
        with_forwards = options_read_again(k->sources.argv, k->config, -1, &problems);
    config_problems_clear(&problems);
    if (with_forwards != NULL) {
        config_unref(config);
        config = with_forwards;
    }
    log_info("upgraded to adit %s", PACKAGE_VERSION);
    upgrade_succeed(k, config);
    kept_keys_review(k); /* (what the program before had no time for) */
    return true;
}

static struct key_agent *start_key_agent(void)
{
    char *askpass = own_program_name_for_others();
    struct key_agent *keys = key_agent_new(askpass);

    free(askpass);
    return keys;
}

/* False: something could not be had, and that was reported. */
static bool keeper_start(struct keeper *k)
{
    size_t signals = handled_count(k->config);

    signals_hold(handled, signals);
    k->had_terminal = background_has_terminal();
    if (k->config != NULL)
        keeper_apply_log(k);
    hide_memory(k->config);
    k->loop = loop_new();
    if (k->loop == NULL)
        abort();
    k->mailbox = mailbox_new(k->loop, k);
    k->checks = password_checks_new(k->loop, k->mailbox);
    k->commands = proxy_commands_new(k->loop);
    k->masters = keeper_masters_new(k);
    k->on_change = on_change_new(k);
    k->program = own_program_path();
    k->keys = start_key_agent();
    k->sockets = bound_sockets_new();
    k->forward_sockets = forward_sockets_new(k->loop);
    k->signals = signals_new(k->loop, handled, signals, on_keeper_signal, k);
    if (k->signals == NULL)
        return false;
    if (getenv(UPGRADE_STATE) != NULL)
        return keeper_take_over(k);
    if (!k->options->tries && !bind_sockets(k))
        return false;
    forward_sockets_clean(k->forward_sockets, k->config);
    k->sources.find_hosts(k->config);
    if (!current_start(k))
        return false;
    /* (Who reads standard output, or writes standard input, waits for the gateway alone.) */
    if (k->options->stdio)
        background_leave_stdio();
    return true;
}

static void keeper_free(struct keeper *k)
{
    changing_free(k);
    upgrade_free(k);
    deadline_cancel(&k->patience);
    child_free(k->current);
    password_checks_free(k->checks);
    on_change_free(k->on_change);
    keeper_masters_end(k->masters);
    proxy_commands_free(k->commands);
    signals_free(k->signals);
    bound_sockets_free(k->sockets);
    forward_sockets_free(k->forward_sockets);
    login_lines_free(k);
    kept_keys_free(k);
    key_agent_free(k->keys);
    mailbox_free(k->mailbox);
    keeper_masters_free(k->masters);
    loop_free(k->loop);
    config_unref(k->config);
    free(k->program);
}

static int run_keeper(struct options *options, find_hosts_fn *find_hosts, bool trial)
{
    struct keeper k = {
        .options = options,
        .sources = {.argv = options->stdio ? NULL : options->argv, .find_hosts = find_hosts},
        .config = options->config,
        .log_fd = open_log(options->log_file),
        .trial = trial,
        .status = EXIT_SSH,
    };

    if (k.log_fd < 0)
        return EX_USAGE;
    if (options->background && getenv(UPGRADE_STATE) == NULL && !background_begin()) {
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

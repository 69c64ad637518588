/* adit: options, configuration, and the exit status. */
#include "base/exit_status.h"
#include "base/log.h"
#include "base/slow_copies.h"
#include "conf/config.h"
#include "conf/options.h"
#include "control/client.h"
#include "gateway/gateway.h"
#include "io/background.h"
#include "io/passed_sockets.h"
#include "session/login.h"
#include "session_libssh/engine.h"
#include "setup/init.h"
#include "setup/passwd.h"

#include <ares.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

/* libssh keeps a descriptor in 16 bits: a larger one would be taken for another socket. */
#define DESCRIPTORS_MAX 65536

/* Each connection takes descriptors: the soft limit becomes the hard one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("RLIMIT_NOFILE cannot be raised: %s", strerror(errno));
}

/* What only the engine knows to be wrong. */
static int check_upstreams(const struct config *config)
{
    int status = EXIT_SUCCESS;

    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        char *wrong = dial_check(&libssh_engine, upstream);
        if (wrong == NULL)
            continue;
        if (config->file != NULL)
            fprintf(stderr, "%s:%u: %s\n", config->file, upstream->line, wrong);
        else
            fprintf(stderr, "adit: %s: %s\n", upstream->name, wrong);
        free(wrong);
        status = EX_CONFIG;
    }
    return status;
}

static int print_dump(const struct config *config)
{
    char *lack = config_dump_lacks(config);

    if (lack != NULL) {
        fprintf(stderr, "adit: --dump: a file cannot hold %s\n", lack);
        free(lack);
        return EX_CONFIG;
    }
    char *text = config_dump(config);
    bool ok = fputs(text, stdout) >= 0 && fflush(stdout) == 0;

    free(text);
    if (!ok)
        fprintf(stderr, "adit: standard output: %s\n", strerror(errno));
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Opens standard descriptors that are closed, so that no socket gets their number. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* What the gateway is told about: the options, and what became of them. */
struct run {
    const struct options *options;
    int log_fd;
    bool detached;
};

static void detach(struct run *run)
{
    const struct options *options = run->options;

    /* With debug lines on standard error it stays open, as ssh does with -v. */
    if (!options->background || run->detached)
        return;
    run->detached = true;
    log_flush(); /* to where it went until now */
    background_detach(options->log_file == NULL && log_wants(ADIT_LOG_DEBUG));
    log_reopen();
}

static void on_all_up(void *arg)
{
    detach(arg);
}

/* Whether -f does not wait for the first session: a tunnel that tries for ever may wait long, and
 * who starts a machine does not. */
static bool detaches_at_once(const struct options *options)
{
    return options->may_ask && !options->first_failure_ends;
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

/* The file of -E may have been moved: the descriptor leads to the one of that name from now on.
 * (Lines that wait for a disk go there, too: to wait for that disk here would stop the main
 * thread.) */
static void reopen_log(void *arg)
{
    const struct run *run = arg;
    int fd;

    if (run->options->log_file == NULL)
        return;
    fd = open_log(run->options->log_file);
    if (fd < 0) {
        log_error("%s cannot be opened again: %s", run->options->log_file, strerror(errno));
        return;
    }
    dup3(fd, run->log_fd, O_CLOEXEC);
    close(fd);
    log_reopen();
}

/* (On another thread. The words of the command line do not change.) */
static struct config *command_line_again(void *arg, struct config *base, int connection,
                                         struct config_problems *problems)
{
    const struct run *run = arg;

    return options_read_again(run->options->argv, base, connection, problems);
}

static int run_gateway(struct options *options)
{
    struct run run = {.options = options, .log_fd = open_log(options->log_file)};
    struct gateway_options gateway_options = {
        .engine = &libssh_engine,
        .log_fd = run.log_fd,
        .reopen_log = reopen_log,
        .read_again = options->stdio ? NULL : command_line_again,
        .verbose = options->verbose,
        .may_ask = options->may_ask,
        .first_failure_ends = options->first_failure_ends,
        .stdio = options->stdio ? &options->stdio_target : NULL,
        .stdio_via = options->stdio_via,
        .up = on_all_up,
        .arg = &run,
    };
    struct gateway *gateway;
    int status = EXIT_SSH;

    if (gateway_options.log_fd < 0)
        return EX_USAGE;
    if (options->background && !background_begin()) {
        fprintf(stderr, "adit: fork: %s\n", strerror(errno));
        return EXIT_SSH;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    log_setup(gateway_options.log_fd, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    log_start();
    gateway = gateway_new(options->config, &gateway_options);
    options->config = NULL;
    if (gateway != NULL) {
        if (detaches_at_once(options))
            detach(&run);
        status = gateway_run(gateway);
        gateway_free(gateway);
    }
    log_stop();
    return status;
}

/* If an adit that runs already carries the forwards, this process runs no gateway. */
static int share_or_run(struct options *options)
{
    const struct control_order order = {
        .command = "forward",
        .path = options->control_path,
        .forwards = options->forwards,
        .forward_count = options->forward_count,
    };
    int status = -1;

    if (order.path != NULL && order.forward_count > 0)
        status = control_share(&order, options->background);
    return status < 0 ? run_gateway(options) : status;
}

static int run_control(const struct options *options)
{
    return control_ask(&(struct control_order){
        .command = options->control_command,
        .path = options->control_path,
        .host = options->control_host,
        .forwards = options->forwards,
        .forward_count = options->forward_count,
        .json = options->json,
    });
}

/* The libraries that are loaded, which may be newer than those that adit was built with. */
static void print_versions(void)
{
    printf("adit %s\n", PACKAGE_VERSION);
    printf("libssh %s, c-ares %s, libuv %s, Jansson %s, %s\n", dial_version(&libssh_engine),
           ares_version(NULL), uv_version_string(), jansson_version_str(),
           OpenSSL_version(OPENSSL_VERSION));
}

/* A gateway that was up once has shown that it can be. */
static void on_tried(void *arg)
{
    bool *worked = arg;

    *worked = true;
    kill(getpid(), SIGTERM);
}

/* Runs the gateway of a new file until all is up, with the questions of its logins. */
static int try_gateway(struct config *config)
{
    bool worked = false;
    const struct gateway_options gateway_options = {
        .engine = &libssh_engine,
        .log_fd = STDERR_FILENO,
        .may_ask = true,
        .first_failure_ends = true,
        .up = on_tried,
        .arg = &worked,
    };
    struct gateway *gateway;

    config->gateway.log = ADIT_LOG_WARNING;
    signal(SIGPIPE, SIG_IGN);
    log_setup(STDERR_FILENO, ADIT_LOG_INFO, ADIT_LOG_TEXT);
    log_start();
    gateway = gateway_new(config, &gateway_options);
    if (gateway != NULL) {
        gateway_run(gateway);
        gateway_free(gateway);
    }
    log_stop();
    return worked ? EXIT_SUCCESS : EXIT_SSH;
}

static int run_init(struct options *options)
{
    int status = init_write(options);

    if (status != 0)
        return status;
    status = check_upstreams(options->config);
    if (status == EXIT_SUCCESS)
        status = try_gateway(config_ref(options->config));
    init_advise(options->file, options->config, status == EXIT_SUCCESS);
    return status;
}

static int say_first(void)
{
    options_first(stderr);
    return EX_USAGE;
}

static int run_mode(struct options *options)
{
    switch (options->mode) {
    case MODE_RUN: return share_or_run(options);
    case MODE_CHECK: return check_upstreams(options->config);
    case MODE_DUMP: return print_dump(options->config);
    case MODE_CONTROL: return run_control(options);
    case MODE_HELP: options_usage(stdout); return EXIT_SUCCESS;
    case MODE_VERSION: print_versions(); return EXIT_SUCCESS;
    case MODE_FIRST: return say_first();
    case MODE_PASSWD: return passwd_set(options->file, options->user);
    case MODE_INIT: return run_init(options);
    }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options options;
    int status;

    slow_copies_avoid(argv);
    fill_standard_descriptors();
    passed_sockets_take();
    /* If it is inherited as ignored, no child can be waited for. */
    signal(SIGCHLD, SIG_DFL);
    status = options_parse(argc, argv, &options);
    if (status == 0)
        status = run_mode(&options);
    options_clear(&options);
    return status;
}

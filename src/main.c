/* adit: options, configuration, and the exit status. */
#include "base/log.h"
#include "conf/config.h"
#include "conf/options.h"
#include "gateway/gateway.h"
#include "base/slow_copies.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* sysexits.h's, and ssh's own for everything that goes wrong with a connection. */
#define EXIT_USAGE 64
#define EXIT_CONFIG 78
#define EXIT_SSH 255

/* libssh takes a descriptor as 16 bits: a larger one would lead it to somebody else's socket. */
#define DESCRIPTORS_MAX 65536

/* A proxy lives by descriptors: as many as the hard limit allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("RLIMIT_NOFILE cannot be raised: %s", strerror(errno));
}

static int print_dump(const struct config *config)
{
    char *text = config_dump(config);
    bool ok = fputs(text, stdout) >= 0 && fflush(stdout) == 0;

    free(text);
    if (!ok)
        fprintf(stderr, "adit: standard output: %s\n", strerror(errno));
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(struct config *config, const struct options *options)
{
    struct gateway_options gateway_options = {.log_fd = STDERR_FILENO, .verbose = options->verbose};
    struct gateway *gateway;
    int status;

    if (options->log_file != NULL) {
        int fd = open(options->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0) {
            fprintf(stderr, "adit: %s: %s\n", options->log_file, strerror(errno));
            config_unref(config);
            return EXIT_USAGE;
        }
        gateway_options.log_fd = fd;
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    gateway = gateway_new(config, &gateway_options);
    if (gateway == NULL)
        return EXIT_SSH;
    status = gateway_run(gateway);
    gateway_free(gateway);
    return status;
}

static int with_config(const struct options *options)
{
    struct config_problems problems = {0};
    struct config *config = config_load(options->config_file, &problems);
    int status;

    for (size_t i = 0; i < problems.count; i++)
        fprintf(stderr, "%s\n", problems.lines[i]);
    config_problems_clear(&problems);
    if (config == NULL)
        return EXIT_CONFIG;
    if (!options->check && !options->dump)
        return run(config, options);
    status = options->dump ? print_dump(config) : EXIT_SUCCESS;
    config_unref(config);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    int status;

    slow_copies_avoid(argv);
    status = options_parse(argc, argv, &options);
    if (status != 0)
        return status;
    if (options.help) {
        options_usage(stdout);
        return EXIT_SUCCESS;
    }
    if (options.version) {
        printf("adit %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    return with_config(&options);
}

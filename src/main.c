/* adit: options, configuration, and the exit status. */
#include "base/exit_status.h"
#include "base/mem.h"
#include "conf/config.h"
#include "conf/options.h"
#include "conf/types.h"
#include "conf/upstream_host.h"
#include "control/client.h"
#include "gateway/process.h"
#include "io/passed_sockets.h"
#include "keeper/keeper.h"
#include "keeper/master_askpass.h"
#include "keeper/key_agent.h"
#include "session/login.h"
#include "session_libssh/engine.h"
#include "session_openssh/engine.h"
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
#include <unistd.h>
#include <uv.h>

/* What only the engine knows to be wrong. */
static int check_upstreams(const struct config *config)
{
    int status = EXIT_SUCCESS;

    for (size_t i = 0; i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        char *wrong = dial_check(&libssh_engine, upstream);
        if (wrong == NULL || upstream->by_openssh) {
            free(wrong);
            continue;
        }
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

/* Opens standard descriptors that are closed, so that no socket gets their number. The programs
 * that adit runs inherit them. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static void find_upstream_hosts(struct config_upstream *upstream)
{
    for (size_t i = 0; i < upstream->hosts.count && upstream_service(upstream) == NULL; i++) {
        const char *host = upstream->hosts.items[i];
        char name[HOST_MAX + 1];
        uint16_t port;
        hostport_split_zoned(host, strlen(host), upstream->port, name, &port);
        dial_find(&libssh_engine, upstream, name, &port);
        string_list_append(&upstream->libssh_hosts, mem_printf("%u %s", port, name));
    }
}

/* (A find_hosts_fn: the keeper knows no engine.) */
static void find_hosts(struct config *config)
{
    for (size_t i = 0; i < config->upstream_count; i++)
        if (config->upstreams[i].libssh_config && config->upstreams[i].libssh_hosts.count == 0)
            find_upstream_hosts(&config->upstreams[i]);
}

/* If an adit that runs already, or an ssh that is the master, carries the forwards, this process
 * starts none. -1: it has to. */
static int share(const struct options *options)
{
    struct control_order order = {
        .command = "forward",
        .path = options->control_path,
        .forwards = options->forwards,
        .forward_count = options->forward_count,
        .tell_ports = !options->quiet,
    };

    /* (After an upgrade there may be no configuration.) */
    if (order.path == NULL || getenv(UPGRADE_STATE) != NULL)
        return -1;
    order.made = options->config->forwards;
    order.made_count = options->ssh_forwards ? options->config->forward_count : 0;
    if (options->stdio)
        return control_share_stdio(order.path, &options->stdio_target);
    return order.forward_count + order.made_count > 0 ? control_share(&order, options->background)
                                                      : -1;
}

static int run_control(const struct options *options)
{
    return control_ask(&(struct control_order){
        .command = options->control_command,
        .path = options->control_path,
        .host = options->control_host,
        .operand = options->control_operand,
        .forwards = options->forwards,
        .forward_count = options->forward_count,
        .json = options->json,
        .quiet = options->quiet,
        .tell_ports = options->verbose > 0,
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

static int run_init(struct options *options)
{
    int status = init_write(options);

    if (status != 0)
        return status;
    status = check_upstreams(options->config);
    if (status == EXIT_SUCCESS) {
        options->config->gateway.log = ADIT_LOG_WARNING;
        status = keeper_try(config_ref(options->config), find_hosts);
    }
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
    int status;

    switch (options->mode) {
    case MODE_RUN:
        status = share(options);
        return status < 0 ? keeper_run(options, find_hosts) : status;
    case MODE_CHECK: return check_upstreams(options->config);
    case MODE_TRY: return keeper_run(options, find_hosts);
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

/* Whether this process was executed by an upgrade, and goes on without a new configuration. */
static bool goes_on(const struct options *options)
{
    return options->mode == MODE_RUN && options->config == NULL && getenv(UPGRADE_STATE) != NULL;
}

int main(int argc, char **argv)
{
    struct options options;
    int status;

    fill_standard_descriptors();
    passed_sockets_take();
    /* If it is inherited as ignored, no child can be waited for. */
    signal(SIGCHLD, SIG_DFL);
    if (argc == 1 && strcmp(argv[0], KEEPER_GATEWAY_NAME) == 0)
        return gateway_process_run(&libssh_engine, &openssh_engine);
    if (argc == 2 && getenv(KEY_ASKPASS) != NULL)
        return key_askpass();
    if (argc == 2 && getenv(MASTER_ASKPASS) != NULL)
        return master_askpass(argv[1]);
    if (argc > 1 && strcmp(argv[1], UPGRADE_CHECK) == 0)
        argv[1] = (char *)"--check";
    config_set_libssh_post_quantum(dial_has_post_quantum(&libssh_engine));
    status = options_parse(argc, argv, &options);
    if (status == 0 || goes_on(&options))
        status = run_mode(&options);
    options_clear(&options);
    return status;
}

/* What a start of adit is to do, from its command line and what that names. */
#include "conf/options.h"

#include "base/exit_status.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/visible.h"
#include "conf/command_line.h"
#include "conf/compose.h"
#include "conf/types.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int load(const char *file, struct options *options)
{
    struct config_problems problems = {0};

    options->config = config_load(file, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        char *visible = text_visible(problems.lines[i]);
        log_print(visible);
        free(visible);
    }
    config_problems_clear(&problems);
    return options->config ? 0 : EX_CONFIG;
}

static enum options_mode mode_of(const struct command_line *line)
{
    return line->help              ? MODE_HELP
           : line->version         ? MODE_VERSION
           : line->passwd_file     ? MODE_PASSWD
           : line->init_file       ? MODE_INIT
           : line->control_command ? MODE_CONTROL
           : line->check           ? MODE_CHECK
           : line->tries           ? MODE_TRY
           : line->dump            ? MODE_DUMP
                                   : MODE_RUN;
}

/* The control socket that a file's gateway has. */
static int find_control(const struct command_line *line, struct options *options)
{
    if (!line->config_file && !line->destination && !line->control_path)
        return 0; /* list */
    options->control_operand = mem_strdup(command_line_operand(line));
    if (!line->config_file) {
        struct command_line place = *line;
        if (options->control_operand)
            place.destination = NULL;
        return compose_control(&place, options);
    }
    int status = load(line->config_file, options);
    if (status != 0)
        return status;
    options->control_path = mem_strdup(options->config->gateway.control);
    if (options->control_path)
        return 0;
    fprintf(stderr, "adit: %s names no control socket ([gateway] control)\n", line->config_file);
    return EX_CONFIG;
}

static void print_notice(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "adit: %s\n", text);
}

/* (A run has them in its log.) */
static void print_notices(const struct command_line *line, const struct options *options)
{
    if (!line->quiet && options->mode != MODE_RUN && options->mode != MODE_TRY) {
        config_each_engine_reason(options->config, print_notice, NULL);
        config_each_notice(options->config, print_notice, NULL);
    }
}

/* What --try begins with: no forward, and the first failure is the last. */
static int set_trial(const struct command_line *line, struct options *options)
{
    struct string_list *names = &options->try_upstreams;

    options->tries = options->first_failure_ends = true;
    options->stdio = options->background = false;
    options->json = line->json;
    if (options->config->gateway.log > ADIT_LOG_WARNING && options->verbose == 0)
        options->config->gateway.log = ADIT_LOG_WARNING;
    if (!line->config_file)
        return 0;
    if (line->destination)
        string_list_append(names, mem_strdup(line->destination));
    for (size_t i = 0; i < line->try_upstream_count; i++)
        string_list_append(names, mem_strdup(line->try_upstreams[i]));
    for (size_t i = 0; i < names->count; i++)
        if (config_upstream(options->config, names->items[i]) == NULL) {
            char *text = mem_printf("adit: --try: %s has no upstream \"%s\"", line->config_file,
                                    names->items[i]);
            log_print(text);
            free(text);
            return EX_USAGE;
        }
    return 0;
}

static int read_mode(const struct command_line *line, struct options *options)
{
    int status;

    switch (options->mode) {
    case MODE_HELP:
    case MODE_VERSION:
    case MODE_FIRST: return 0;
    case MODE_PASSWD:
        options->file = line->passwd_file;
        options->user = line->destination;
        return 0;
    case MODE_INIT: options->file = line->init_file; return 0;
    case MODE_CONTROL: return find_control(line, options);
    case MODE_RUN:
    case MODE_TRY:
    case MODE_CHECK:
    case MODE_DUMP:
        for (size_t i = 0; i < line->warning_count && !line->quiet; i++)
            fprintf(stderr, "adit: %s\n", line->warnings[i]);
        status =
            line->config_file ? load(line->config_file, options) : compose_tunnel(line, options);
        if (status == 0 && (!line->config_file || line->check))
            print_notices(line, options);
        return status == 0 && options->mode == MODE_TRY ? set_trial(line, options) : status;
    }
    return EX_USAGE;
}

struct config *options_read_again(char *const *argv, struct config *base, int connection,
                                  struct config_problems *problems)
{
    struct command_line line;
    char error[COMMAND_LINE_ERROR_MAX];
    struct config *config = NULL;

    if (command_line_parse(argv, &line, error))
        config = compose_again(&line, base, connection, problems);
    else
        config_problems_add(problems, error);
    command_line_clear(&line);
    return config;
}

int options_parse(int argc, char **argv, struct options *options)
{
    struct command_line line;
    char error[COMMAND_LINE_ERROR_MAX];
    int status = EX_USAGE;

    (void)argc;
    *options = (struct options){.argv = argv};
    if (argv[0] && !argv[1] && isatty(STDIN_FILENO) && isatty(STDERR_FILENO)) {
        options->mode = MODE_FIRST;
        return 0;
    }
    if (command_line_parse(argv, &line, error)) {
        options->mode = mode_of(&line);
        options->background = line.background;
        options->log_file = line.log_file;
        options->verbose = line.verbose;
        options->quiet = line.quiet;
        options->control_command = line.control_command;
        options->json = line.json;
        options->forwards = line.forwards;
        options->forward_count = line.forward_count;
        status = read_mode(&line, options);
        line.forwards = NULL;
        line.forward_count = 0;
    } else {
        char *text = mem_printf("adit: %s (adit --help says more)", error);
        log_print(text);
        free(text);
    }
    command_line_clear(&line);
    return status;
}

void option_forwards_free(struct option_forward *forwards, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(forwards[i].spec);
    free(forwards);
}

void options_clear(struct options *options)
{
    config_unref(options->config);
    free(options->stdio_target.path);
    free(options->stdio_target.host);
    free(options->control_path);
    free(options->control_host);
    free(options->control_operand);
    option_forwards_free(options->forwards, options->forward_count);
    string_list_clear(&options->try_upstreams);
    *options = (struct options){0};
}

void options_first(FILE *out)
{
    fputs("adit makes proxies and tunnels over SSH. Type one of these:\n"
          "\n"
          "  adit user@server                  a SOCKS and HTTP proxy on 127.0.0.1:1080 through "
          "server\n"
          "  adit -L 5432:localhost:5432 user@server\n"
          "                                    port 5432 of this machine is that of server\n"
          "  adit --init adit.ini              five questions, and a file for a gateway\n"
          "  adit --config adit.ini            run it\n"
          "  adit --help                       every option; the manual has more: man adit\n",
          out);
}

void options_usage(FILE *out)
{
    fputs(
        "usage: adit [options] [user@]host            a tunnel, from ssh's command line\n"
        "       adit --config FILE [-f] [-v] [-E LOG] a gateway, from a file (adit.ini(5))\n"
        "       adit [--config FILE] --try [host]     dial once and say what was seen\n"
        "       adit -O COMMAND [-S PATH] [host]      ask an adit that runs\n"
        "       adit --init FILE [options] [host]     a first file for --config, tried\n"
        "       adit --passwd FILE USER               set a password in a users file\n"
        "\n"
        "Forwards, any number of them; without one: -D 1080\n"
        "  -L [BIND:]PORT:HOST:PORT  connections to a port here lead to a place there\n"
        "  -R [BIND:]PORT:HOST:PORT  connections to a port there lead to a place here\n"
        "  -R [BIND:]PORT            a port there is a SOCKS proxy that leads out from here\n"
        "  -D [BIND:]PORT            a port here is a SOCKS and HTTP proxy\n"
        "  -W HOST:PORT              standard input and output lead to a place there\n"
        "A socket's path may stand for either end of -L, and for that here of -R.\n"
        "\n"
        "As in ssh(1); what they leave open is taken from ssh_config(5)\n"
        "  -J [USER@]HOST[:PORT],... go through these hosts\n"
        "  -l USER  -p PORT  -i FILE  -F FILE  -o OPTION  -b ADDRESS  -B INTERFACE\n"
        "  -c CIPHERS  -m MACS  -I PKCS11  -4  -6  -C  -g\n"
        "  -f                        go to the background once everything is up\n"
        "  -M, -S PATH               listen at a control socket (-M: for ssh, scp, ..., too)\n"
        "  -E FILE                   append the log to FILE instead of standard error\n"
        "  -q, -v                    log less, log more (twice: even more)\n"
        "  -N -T -a -k -n -x         nothing: a tunnel is like that\n"
        "\n"
        "adit's own\n"
        "  --persist                 try the first connection for ever, as autossh with -M PORT\n"
        "                            (also taken) or AUTOSSH_GATETIME=0 does\n"
        "  --sandbox WORD            auto (the default): the process that talks to the network\n"
        "                            gives up what it does not need, as far as this machine\n"
        "                            can; require: or adit does not start; off: it does not\n"
        "  --check                   find every problem of FILE or the command line, and exit\n"
        "  --try                     dial, check the host key, log in and ask for a forward; say\n"
        "                            what was seen, and exit: 0 if all is well. With --config:\n"
        "                            all upstreams, or those that are named\n"
        "  --dump                    print either as a file with every default, and exit\n"
        "  -O COMMAND                check, ready, status, connections, close N, conninfo,\n"
        "                            ping [UPSTREAM], try [UPSTREAM], watch, forward, cancel,\n"
        "                            stop, exit, reload, upgrade; list shows the tunnels\n"
        "                            that run\n"
        "  --json                    with --try and most commands of -O: as JSON\n"
        "  --init FILE               write a first file, from questions or from a host and\n"
        "                            options of the connection, try it, and say how to start it\n"
        "  --from NETWORK            with --init: clients of this network, too: 192.168.1.0/24\n"
        "  --user NAME               with --init: clients log in, as NAME with a password\n"
        "  --passwd FILE USER        add USER to the users file FILE, or change the password\n"
        "  -h, --help                print this\n"
        "  -V, --version             print the versions of adit and of its libraries\n"
        "\n"
        "SIGTERM and SIGINT end a tunnel at once; a gateway lets its connections end first,\n"
        "for 30 s. SIGHUP reads FILE or ssh_config again, SIGUSR1 logs the state, SIGUSR2\n"
        "upgrades.\n",
        out);
}

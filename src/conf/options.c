/* adit's own command line. */
#include "conf/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <sysexits.h>

enum { OPTION_CONFIG = 256, OPTION_CHECK, OPTION_DUMP, OPTION_HELP };

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"dump", no_argument, NULL, OPTION_DUMP},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static int misused(const char *what, const char *which)
{
    fprintf(stderr, "adit: %s%s (adit --help says more)\n", what, which);
    return EX_USAGE;
}

/* What is read before it is known what it makes. */
struct given {
    const char *config_file;
    bool check, dump;
};

static bool take_option(int option, struct given *given, struct options *options)
{
    switch (option) {
    case OPTION_CONFIG: given->config_file = optarg; return true;
    case OPTION_CHECK: given->check = true; return true;
    case OPTION_DUMP: given->dump = true; return true;
    case OPTION_HELP: options->mode = MODE_HELP; return true;
    case 'V': options->mode = MODE_VERSION; return true;
    case 'v': options->verbose++; return true;
    case 'E': options->log_file = optarg; return true;
    default: return false;
    }
}

static int load(const char *file, struct options *options)
{
    struct config_problems problems = {0};

    options->config = config_load(file, &problems);
    for (size_t i = 0; i < problems.count; i++)
        fprintf(stderr, "%s\n", problems.lines[i]);
    config_problems_clear(&problems);
    return options->config ? 0 : EX_CONFIG;
}

int options_parse(int argc, char **argv, struct options *options)
{
    struct given given = {0};
    int option;

    *options = (struct options){0};
    optind = 0; /* glibc: begin afresh */
    while ((option = getopt_long(argc, argv, "vE:V", long_options, NULL)) != -1) {
        if (!take_option(option, &given, options))
            return EX_USAGE; /* getopt_long has said which */
    }
    if (options->mode == MODE_HELP || options->mode == MODE_VERSION)
        return 0;
    if (optind < argc)
        return misused("unexpected argument: ", argv[optind]);
    if (!given.config_file)
        return misused("--config FILE is missing", "");
    if (given.check && given.dump)
        return misused("--check and --dump exclude each other", "");
    options->mode = given.check ? MODE_CHECK : given.dump ? MODE_DUMP : MODE_RUN;
    return load(given.config_file, options);
}

void options_clear(struct options *options)
{
    config_unref(options->config);
    free(options->stdio_target.path);
    free(options->stdio_target.host);
    free(options->control_path);
    free(options->forwards);
    *options = (struct options){0};
}

void options_usage(FILE *out)
{
    fputs("usage: adit --config FILE [--check | --dump] [-v] [-E FILE]\n"
          "       adit --help | --version\n"
          "\n"
          "  --config FILE  run the gateway that FILE describes (adit.ini(5))\n"
          "  --check        test FILE, print every problem, and exit\n"
          "  --dump         print the configuration in effect, and exit\n"
          "  -v             log more; twice for even more\n"
          "  -E FILE        append the log to FILE instead of standard error\n"
          "  --help         print this\n"
          "  -V, --version  print the version\n"
          "\n"
          "SIGTERM and SIGINT drain and end, SIGHUP reads FILE again, SIGUSR1 logs the state.\n",
          out);
}

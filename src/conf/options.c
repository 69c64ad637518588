/* adit's own command line. */
#include "conf/options.h"

#include <getopt.h>
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

static bool take_option(int option, struct options *options)
{
    switch (option) {
    case OPTION_CONFIG: options->config_file = optarg; return true;
    case OPTION_CHECK: options->check = true; return true;
    case OPTION_DUMP: options->dump = true; return true;
    case OPTION_HELP: options->help = true; return true;
    case 'V': options->version = true; return true;
    case 'v': options->verbose++; return true;
    case 'E': options->log_file = optarg; return true;
    default: return false;
    }
}

int options_parse(int argc, char **argv, struct options *options)
{
    int option;

    *options = (struct options){0};
    optind = 0; /* glibc: begin afresh */
    while ((option = getopt_long(argc, argv, "vE:V", long_options, NULL)) != -1) {
        if (!take_option(option, options))
            return EX_USAGE; /* getopt_long has said which */
    }
    if (options->help || options->version)
        return 0;
    if (optind < argc)
        return misused("unexpected argument: ", argv[optind]);
    if (!options->config_file)
        return misused("--config FILE is missing", "");
    if (options->check && options->dump)
        return misused("--check and --dump exclude each other", "");
    return 0;
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

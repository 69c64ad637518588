/* adit's own command line. */
#ifndef ADIT_CONF_OPTIONS_H
#define ADIT_CONF_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

struct options {
    const char *config_file; /* --config FILE */
    bool check;              /* --check: test the file and exit */
    bool dump;               /* --dump: print the effective configuration */
    bool help;               /* --help */
    bool version;            /* -V, --version */
    unsigned verbose;        /* -v: log level one up for each */
    const char *log_file;    /* -E FILE */
};

/* Reads argv (getopt_long(3)). Returns 0, or 64 (EX_USAGE) after a line on standard error that
 * names the option. */
int options_parse(int argc, char **argv, struct options *options);

/* What --help prints. */
void options_usage(FILE *out);

#endif

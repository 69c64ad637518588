/* What a start of adit is to do: its command line, ssh's or its own, and what that says of
 * ssh_config. */
#ifndef ADIT_CONF_OPTIONS_H
#define ADIT_CONF_OPTIONS_H

#include "conf/config.h"

#include <stdbool.h>
#include <stdio.h>

enum options_mode {
    MODE_RUN,     /* run `config` */
    MODE_CHECK,   /* --check: `config` is right, which is all that was asked */
    MODE_TRY,     /* --try: try the upstreams of `config`, and serve nobody */
    MODE_DUMP,    /* --dump: print `config` */
    MODE_CONTROL, /* -O: ask the adit that listens at `control_path` */
    MODE_HELP,    /* --help */
    MODE_VERSION, /* -V, --version */
    MODE_FIRST,   /* nothing was typed behind the name, at a terminal */
    MODE_PASSWD,  /* --passwd: set the password of `user` in the users file `file` */
    MODE_INIT,    /* --init: write `file`, from the rest of `argv` and from questions */
};

/* A -L, -R or -D as forward_spec_parse reads it, which it was found to do. */
struct option_forward {
    enum forward_kind kind;
    char *spec;
};

void option_forwards_free(struct option_forward *forwards, size_t count);

/* Strings are of argv unless the field says otherwise. */
struct options {
    enum options_mode mode;

    /* MODE_RUN, MODE_CHECK, MODE_TRY and MODE_DUMP: from the file (config->file) or from ssh's
     * command line (config->file is NULL), with one reference, which options_clear drops unless the
     * caller took it and set NULL here. */
    struct config *config;

    /* MODE_RUN. */
    bool background;         /* -f: the parent ends when all is up, or could not be */
    const char *log_file;    /* -E FILE; NULL: standard error */
    unsigned verbose;        /* -v: levels to add to config->gateway.log */
    bool may_ask;            /* a person started this: questions may be put (but see batch_mode) */
    bool default_proxy;      /* it is -D 1080, as no forward was asked for */
    bool first_failure_ends; /* the first connection is not tried again: 255, as ssh */
    bool stdio;              /* -W: standard input and output lead to `stdio_target` ... */
    struct config_place stdio_target; /* (owned) */
    const char *stdio_via;            /* ... through this upstream (owned by the config) */
    char *const *argv;                /* what all this was read from */

    /* MODE_TRY. */
    bool tries;
    struct string_list try_upstreams; /* their names; none: all (owned) */

    /* MODE_PASSWD and MODE_INIT. */
    const char *file;
    const char *user;

    /* MODE_CONTROL. */
    const char *control_command; /* "check", "forward", ...: as given */
    bool quiet;                  /* -q */
    /* Where the adit that is asked listens. MODE_RUN: if one does, it is asked for the forwards,
     * instead of this adit (ssh(1): unless this is to be a ControlMaster); NULL: there is none. */
    char *control_path; /* (owned) */
    /* MODE_RUN: an ssh(1) that is the master there is asked for the forwards of `config`, which the
     * command line or ssh_config has. (One that ends takes them along: not with --persist.) */
    bool ssh_forwards;
    /* MODE_CONTROL: the destination, whose tunnel is looked for if nobody listens at control_path;
     * NULL: none was given (owned). */
    char *control_host;
    char *control_operand; /* what a command of -O is about; NULL: nothing */
    bool json;             /* --json; MODE_TRY, too */

    /* The -L, -R and -D of the command line, for MODE_CONTROL and a MODE_RUN with control_path
     * (owned array). */
    struct option_forward *forwards;
    size_t forward_count;
};

/* Reads argv, then what it names: the configuration file, or ssh's settings for the host (`ssh
 * -G`). Returns 0, or what to exit with after the reason was written to standard error: 64
 * (EX_USAGE), 78 (EX_CONFIG; every problem is written), or 255 when ssh refuses what it was given.
 * Warnings go to standard error too. Whatever it returns, options_clear frees. */
int options_parse(int argc, char **argv, struct options *options);
void options_clear(struct options *options);

/* What the command line of a tunnel means now: ssh is asked again, whose files may have changed.
 * The forwards of `base`, the configuration in use, are all in it, those too that only the control
 * socket was asked for. `connection` as ssh_ask's. Returns a configuration with one reference;
 * NULL: the reasons are added to `problems`. Nothing goes to standard error. Any thread that may
 * block. */
struct config *options_read_again(char *const *argv, struct config *base, int connection,
                                  struct config_problems *problems);

/* What a person is told who typed the program's name alone. */
void options_first(FILE *out);

/* What --help prints. */
void options_usage(FILE *out);

#endif

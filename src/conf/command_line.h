/* The words of a command line: ssh's, autossh's and adit's own. Nothing is read but argv. */
#ifndef ADIT_CONF_COMMAND_LINE_H
#define ADIT_CONF_COMMAND_LINE_H

#include "conf/config.h"
#include "conf/options.h"

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_LINE_ERROR_MAX 300

/* What the words say. Every string is of argv or of the program. */
struct command_line {
    const char *config_file; /* --config FILE */
    bool check;              /* --check */
    bool dump;               /* --dump */
    bool tries;              /* --try */
    bool json;               /* --json */
    bool persist;            /* --persist, or autossh's -M PORT */
    const char *sandbox;     /* --sandbox auto|require|off */
    bool help;               /* --help */
    bool version;            /* -V, --version */
    const char *passwd_file; /* --passwd FILE; the destination is the user */
    const char *init_file;   /* --init FILE */
    const char *init_from;   /* --from NETWORK */
    const char *init_user;   /* --user NAME */

    const char **try_upstreams; /* --config FILE --try UPSTREAM...: those behind `destination` */
    size_t try_upstream_count;

    const char *destination;     /* [user@]host or ssh://[user@]host[:port]; NULL: none */
    const char *control_command; /* -O */
    const char *stdio;           /* -W */
    const char *log_file;        /* -E */
    const char *control_path;    /* -S */
    const char *ssh_config_file; /* -F */
    unsigned verbose;            /* how many times -v is given */
    bool quiet;                  /* -q */
    bool background;             /* -f */

    struct option_forward *forwards; /* -L, -R, -D in order */
    size_t forward_count;

    /* What says something of the connection, as `ssh -G` takes it: "-p", "2222", ... */
    const char **ssh_words;
    size_t ssh_word_count;

    /* The same as ssh_config says it, a keyword and its value in turn (-o "Port 2222" has both in
     * one: the value is NULL). */
    const char **settings;
    size_t setting_count; /* of pairs */

    /* What is taken and does nothing although it does in ssh: a text for each. */
    const char **warnings;
    size_t warning_count;
};

/* Reads the words, which end with NULL, after the first. False: `error` says what is wrong with
 * them, in one line without an end. Whatever it returns, command_line_clear frees. */
bool command_line_parse(char *const *argv, struct command_line *line,
                        char error[static COMMAND_LINE_ERROR_MAX]);
void command_line_clear(struct command_line *line);

/* What makes no sense together, in words of the program; NULL: all does. */
const char *command_line_contradiction(const struct command_line *line);

/* What a command of -O is about, "7" in `-S PATH -O close 7`: a word that would be a host
 * elsewhere. NULL: nothing. */
const char *command_line_operand(const struct command_line *line);

/* What an option takes. */
enum option_value {
    OPTION_NOTHING,
    OPTION_WORD, /* something that no shell can offer */
    OPTION_FILE,
    OPTION_FORWARD,
    OPTION_HOPS,      /* hosts with commas between them */
    OPTION_ADDRESS,   /* of this machine */
    OPTION_INTERFACE, /* of this machine */
    OPTION_USER,
    OPTION_CIPHERS,
    OPTION_MACS,
    OPTION_COMMAND, /* of -O */
    OPTION_SETTING, /* of ssh_config(5) */
};

struct option_description {
    const char *name; /* "-L" or "--config" */
    enum option_value takes;
    const char *help; /* a few words without an end; NULL: nobody looks for this option */
};

typedef void option_visit_fn(void *arg, const struct option_description *option);

/* Calls `visit` for each option that the command line takes. What it is given lasts for the call.
 */
void command_line_each_option(option_visit_fn *visit, void *arg);

#endif

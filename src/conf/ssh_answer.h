/* What ssh -G printed, and what it means to an upstream. */
#ifndef ADIT_CONF_SSH_ANSWER_H
#define ADIT_CONF_SSH_ANSWER_H

#include "conf/config.h"
#include "conf/ssh_tokens.h"

#include <stdbool.h>
#include <stddef.h>

struct ssh_line {
    char *keyword; /* in lower case */
    char *value;
};

struct ssh_answer {
    struct ssh_line *lines; /* in order */
    size_t count;
    /* The values are those of a command line. ssh -G replaces the tokens of ControlPath,
     * IdentityAgent, UserKnownHostsFile and forwards, so that a '%' in its answer is one. */
    bool raw;
};

/* Adds the lines of the text: a keyword, blanks or "=", a value. Those without a value are left
 * out. Old names of keywords become those that ssh -G prints. */
void ssh_answer_add(struct ssh_answer *answer, const char *text);
void ssh_answer_add_line(struct ssh_answer *answer, const char *keyword, const char *value);
/* Takes the quotes round a whole value away: ssh takes them from -o "Keyword \"value\"". */
void ssh_line_unquote(struct ssh_line *line);
void ssh_answer_clear(struct ssh_answer *answer);

/* The first value of a keyword, which is the one in force; NULL: the answer has none. */
const char *ssh_answer_value(const struct ssh_answer *answer, const char *keyword);

/* The value of that index among those of a keyword; NULL: there are fewer. */
const char *ssh_answer_value_at(const struct ssh_answer *answer, const char *keyword, size_t index);

/* Whether a value is "yes" or "true", "no" or "false", or "none". NULL is neither of the first two;
 * the last takes no NULL. */
bool ssh_word_is_yes(const char *value);
bool ssh_word_is_no(const char *value);
bool ssh_word_is_none(const char *value);

/* Whether a keyword's value is "yes" or "true". */
bool ssh_answer_is_yes(const struct ssh_answer *answer, const char *keyword);

/* What percent tokens stand for. `host` is the name that ssh was given. Strings are the answer's
 * and `host`. */
struct ssh_tokens ssh_answer_tokens(const struct ssh_answer *answer, const char *host);

/* Where the meaning goes. */
struct ssh_meaning {
    /* A key of [upstream] and its value as adit.ini(5) has them. */
    void (*setting)(void *arg, const char *key, const char *value);
    /* Something that ssh would do and adit does not; a line without an end. */
    void (*remark)(void *arg, const char *text);
    void *arg;
    /* Something that ssh would do, and that it would be less safe to go on without; the same. */
    void (*problem)(void *arg, const char *text);
    /* Something that adit does only where an ssh(1) carries the sessions, by its keyword and as a
     * remark; NULL: it is a remark. */
    void (*by_ssh)(void *arg, const char *keyword, const char *text);
};

/* Tells all that the answer says of the connection, but not HostName. `usual` is what ssh says
 * where nothing is configured: what does not differ from it is left to adit's own defaults; NULL:
 * not known, nothing is. `host` is the name ssh was given. Files are looked for, since ssh is
 * silent about those that are not there. */
void ssh_answer_tell(const struct ssh_answer *answer, const struct ssh_answer *usual,
                     const char *host, const struct ssh_meaning *meaning);

/* Calls `each` with every forward of the answer, as forward_spec_parse reads it. */
void ssh_answer_each_forward(const struct ssh_answer *answer,
                             void (*each)(void *arg, enum forward_kind kind, const char *spec),
                             void *arg);

/* ControlPath with its tokens replaced; NULL: none. `host` as above. The caller frees. */
char *ssh_answer_control_path(const struct ssh_answer *answer, const char *host);

/* LogLevel as adit's: INFO, ssh's default, hides what goes well. */
enum log_level ssh_answer_log_level(const struct ssh_answer *answer);

#endif

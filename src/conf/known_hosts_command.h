/* KnownHostsCommand of ssh_config(5): a program that prints lines of known_hosts. It is run without
 * a shell: the words are split as OpenSSH's argv_split() does, and then the tokens of each word but
 * the first are replaced. Any thread. */
#ifndef ADIT_CONF_KNOWN_HOSTS_COMMAND_H
#define ADIT_CONF_KNOWN_HOSTS_COMMAND_H

#include "conf/ssh_tokens.h"

/* Splits at blanks. Quotes of either kind keep blanks; a backslash takes the meaning from a quote,
 * a backslash and, outside quotes, a blank. NULL: a quote has no end. Ends with NULL; the caller
 * frees with command_words_free. */
char **command_words_split(const char *text);
/* The text of which command_words_split makes these words, quoted where it must be. The caller
 * frees. */
char *command_words_join(char *const *words);
void command_words_free(char **words);

/* What a value must not be (behind "'VALUE' "), or NULL: it can be run. */
const char *known_hosts_command_wrong(const char *value);

/* A value of ssh_config as the key known_hosts_command has it: the tokens and ${VARIABLE} that are
 * known before a connection are replaced. NULL: one is unknown, or a quote has no end. The caller
 * frees. */
char *known_hosts_command_prepare(const char *value, const struct ssh_tokens *tokens);

/* The program and its arguments for one run, for a value that known_hosts_command_wrong takes;
 * `tokens->key` is given. */
char **known_hosts_command_arguments(const char *value, const struct ssh_tokens *tokens);

#endif

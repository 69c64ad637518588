/* The names that a command line has: of hosts and users. */
#ifndef ADIT_CONF_COMMAND_NAMES_H
#define ADIT_CONF_COMMAND_NAMES_H

#include "conf/command_line.h"
#include "conf/ssh_answer.h"

/* Why a name of the command line is refused, a sentence that the caller frees; NULL: none is. It
 * looks at the destination, -l, -J, and -o with User, HostName, HostKeyAlias and ProxyJump. To be
 * asked before ssh is run: a newer ssh refuses such names itself, but an older one gives them to
 * the commands of `Match exec`, and there may be no ssh. */
char *command_names_wrong(const struct command_line *line);

/* The host of a destination that was not refused; its user and port, where it has them, become
 * lines of the answer. The caller frees. */
char *destination_host(const char *destination, struct ssh_answer *answer);

/* Adds what the options say, as lines of ssh_config. */
void command_settings(const struct command_line *line, struct ssh_answer *answer);

#endif

/* From ssh's command line to a configuration: one upstream and its forwards. */
#ifndef ADIT_CONF_COMPOSE_H
#define ADIT_CONF_COMPOSE_H

#include "conf/command_line.h"

/* Asks ssh about the command line's host, and sets of `options` all that a run needs. Returns 0, or
 * the exit status after the reason was written to standard error. */
int compose_tunnel(const struct command_line *line, struct options *options);

/* For options_read_again. */
struct config *compose_again(const struct command_line *line, struct config *base, int connection,
                             struct config_problems *problems);

/* Finds out where the adit of the command line's host, or at its -S, listens: sets control_path.
 * The same. */
int compose_control(const struct command_line *line, struct options *options);

#endif

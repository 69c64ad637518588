/* A ProxyCommand (ssh_config(5)) as a dial's connection: the keeper runs it, and pumps join its
 * pipes to one descriptor, as the login takes one. Main thread only. */
#ifndef ADIT_GATEWAY_DIAL_COMMAND_H
#define ADIT_GATEWAY_DIAL_COMMAND_H

#include "shared/service.h"

struct dial_command;

/* `fd` is the connection, and the callee's; -1: it cannot be run, for `error` (errno(3)). Never
 * called from inside dial_command_start. */
typedef void dial_command_started_fn(void *arg, int fd, int error);

/* Has the keeper run the command for one of the upstream's hosts (its `entry` in struct place). */
struct dial_command *dial_command_start(struct service *service, const char *upstream,
                                        const char *host, dial_command_started_fn *started,
                                        void *arg);

#define COMMAND_ENDED_WELL "exited with status 0"

/* How the command ended (COMMAND_ENDED_WELL, "exited with status 1", "killed by signal 15"); NULL:
 * it runs. The text is valid as long as the command is. */
const char *dial_command_ended(const struct dial_command *command);

/* Ends the command by SIGHUP, and frees it here. NULL is fine. */
void dial_command_hang_up(struct dial_command *command);

/* The same for a command whose connection goes on: it gets no signal. NULL is fine. */
void dial_command_leave(struct dial_command *command);

#endif

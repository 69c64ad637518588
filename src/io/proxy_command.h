/* Programs whose standard input and output are a connection: ProxyCommand of ssh_config(5). Main
 * thread only; called by gateway/dial_attempt. */
#ifndef ADIT_IO_PROXY_COMMAND_H
#define ADIT_IO_PROXY_COMMAND_H

#include "io/loop.h"

struct proxy_command;
struct proxy_commands; /* all commands that run */

struct proxy_commands *proxy_commands_new(struct loop *loop);

/* Sends SIGHUP to the commands that still run, and forgets them. NULL is fine. */
void proxy_commands_free(struct proxy_commands *all);

/* Runs "exec COMMAND" by $SHELL, or /bin/sh, as ssh does: with this process's standard error, no
 * other descriptor and no signal blocked. `*fd` is the connection, and the caller's. NULL: errno
 * says why not. */
struct proxy_command *proxy_command_start(struct proxy_commands *all, const char *command, int *fd);

#define PROXY_ENDED_WELL "exited with status 0"

/* How the command ended (PROXY_ENDED_WELL, "exited with status 1", "killed by signal 15"); NULL: it
 * runs. The text is valid as long as the command is. */
const char *proxy_command_ended(struct proxy_command *command);

/* Ends the command by SIGHUP. The caller may not use it any more; it is freed when the process has
 * exited. NULL is fine. */
void proxy_command_hang_up(struct proxy_command *command);

/* The same for a command whose connection goes on: it gets no signal. NULL is fine. */
void proxy_command_leave(struct proxy_command *command);

#endif

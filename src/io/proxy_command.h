/* Programs whose standard input and output are a connection: ProxyCommand of ssh_config(5). Main
 * thread only. */
#ifndef ADIT_IO_PROXY_COMMAND_H
#define ADIT_IO_PROXY_COMMAND_H

#include "io/loop.h"

struct proxy_command;
struct proxy_commands; /* all of them */

struct proxy_commands *proxy_commands_new(struct loop *loop);

/* Hangs up on those that still run (SIGHUP) and forgets them. NULL is fine. */
void proxy_commands_free(struct proxy_commands *all);

/* Runs "exec COMMAND" by $SHELL, or /bin/sh, as ssh does: with our standard error, no other
 * descriptor and no signal blocked. `*fd` is the connection, and the caller's. NULL: errno says why
 * not. */
struct proxy_command *proxy_command_start(struct proxy_commands *all, const char *command, int *fd);

/* How it ended ("exited with status 1", "killed by signal 15"); NULL: it runs. Valid as long as the
 * command is. */
const char *proxy_command_ended(struct proxy_command *command);

/* Hangs up on it. It is gone for the caller; what is left of it goes when it has exited. NULL is
 * fine. */
void proxy_command_hang_up(struct proxy_command *command);

/* The same for one whose connection goes on: it is not hung up on. NULL is fine. */
void proxy_command_leave(struct proxy_command *command);

#endif

/* Programs whose standard input and output are a connection: ProxyCommand of ssh_config(5). Main
 * thread only; called by keeper/services. */
#ifndef ADIT_IO_PROXY_COMMAND_H
#define ADIT_IO_PROXY_COMMAND_H

#include "base/quota.h"
#include "io/loop.h"

#include <sys/types.h>

struct proxy_command;
struct proxy_commands; /* all commands that run */

struct proxy_commands *proxy_commands_new(struct loop *loop);

/* Sends SIGHUP to the commands that still run, and forgets them. NULL is fine. */
void proxy_commands_free(struct proxy_commands *all);

/* The command has exited, with this status or by this signal (0: by none); it is freed after that.
 */
typedef void proxy_command_exited_fn(void *arg, int status, int signal);

struct proxy_command_request {
    const char *command;
    struct quota *quota; /* counts the command while it runs, also after it was left */
    proxy_command_exited_fn *exited;
    void *arg;
};

/* Runs "exec COMMAND" by $SHELL, or /bin/sh, as ssh does: with this process's standard error, no
 * other descriptor and no signal blocked. `ends` are those of its input, to be written to, and of
 * its output: the caller's. NULL: errno says why not (EAGAIN: as many run as the quota has). */
struct proxy_command *proxy_command_start(struct proxy_commands *all,
                                          const struct proxy_command_request *request,
                                          int ends[static 2]);

/* Takes over a command that this process started before an upgrade executed this program. It counts
 * for no quota. `exited` may be NULL: the command was left, or hung up. Returns NULL if it cannot
 * be watched. */
struct proxy_command *proxy_command_adopt(struct proxy_commands *all, pid_t pid,
                                          proxy_command_exited_fn *exited, void *arg);

/* Calls `each` with each command that was left, or hung up, and still runs. */
typedef void proxy_command_left_fn(void *arg, pid_t pid);
void proxy_commands_each_left(const struct proxy_commands *all, proxy_command_left_fn *each,
                              void *arg);

pid_t proxy_command_process(const struct proxy_command *command);

/* Ends the command by SIGHUP. The caller may not use it any more, and `exited` is not called; it is
 * freed when the process has exited. */
void proxy_command_hang_up(struct proxy_command *command);

/* The same for a command whose connection goes on: it gets no signal. */
void proxy_command_leave(struct proxy_command *command);

#endif

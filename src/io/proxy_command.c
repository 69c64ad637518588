/* ProxyCommand, by uv_spawn. It runs on the main thread, which may not wait, for as long as its
 * connection, and its exit is an event of the loop: so it is not io/subprocess's, which waits.
 * uv_spawn resets the signals, as io/subprocess does, and waits for the process.
 *
 * As with ssh(1) the command has a pipe for its input and one for its output: some commands
 * (ncat) show the end of their connection only by closing one of them. libssh takes one descriptor:
 * pumps join the pipes to a socketpair. */
#include "io/proxy_command.h"

#include "base/mem.h"
#include "io/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct proxy_command {
    uv_process_t process;
    LIST_ENTRY(proxy_command) link;
    bool abandoned; /* freed when the command has exited */
    char ended[40]; /* how it ended; "": it runs */
};

struct proxy_commands {
    struct loop *loop;
    LIST_HEAD(, proxy_command) list;
};

struct proxy_commands *proxy_commands_new(struct loop *loop)
{
    struct proxy_commands *all = mem_zalloc(sizeof(*all));

    all->loop = loop;
    LIST_INIT(&all->list);
    return all;
}

static void on_command_closed(uv_handle_t *handle)
{
    free(container_of((uv_process_t *)handle, struct proxy_command, process));
}

static void forget_command(struct proxy_command *p)
{
    LIST_REMOVE(p, link);
    uv_close((uv_handle_t *)&p->process, on_command_closed);
}

static void set_ended(struct proxy_command *p, int status, int signal)
{
    if (signal != 0)
        snprintf(p->ended, sizeof(p->ended), "killed by signal %d", signal);
    else
        snprintf(p->ended, sizeof(p->ended), "exited with status %d", status);
}

static void on_command_exited(uv_process_t *process, int64_t status, int signal)
{
    struct proxy_command *p = container_of(process, struct proxy_command, process);

    set_ended(p, (int)status, signal);
    if (p->abandoned)
        forget_command(p);
}

/* Returns 0 or an error of libuv. */
static int spawn_shell(struct proxy_commands *all, struct proxy_command *p, const char *command,
                       int input, int output)
{
    const char *shell = getenv("SHELL");
    char *script = mem_printf("exec %s", command);
    char *argv[] = {(char *)(shell != NULL && shell[0] != '\0' ? shell : "/bin/sh"), (char *)"-c",
                    script, NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_INHERIT_FD, .data.fd = input},
        {.flags = UV_INHERIT_FD, .data.fd = output},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    uv_process_options_t options = {
        .exit_cb = on_command_exited,
        .file = argv[0],
        .args = argv,
        .stdio_count = sizeof(stdio) / sizeof(stdio[0]),
        .stdio = stdio,
    };
    int error = uv_spawn(loop_uv(all->loop), &p->process, &options);

    free(script);
    return error;
}

/* The pipes: one end of each is the command's. */
struct pipes {
    int input[2];
    int output[2];
};

static void close_ends(struct pipes *pipes, bool ours)
{
    close(pipes->input[ours ? 1 : 0]);
    close(pipes->output[ours ? 0 : 1]);
}

static bool open_pipes(struct pipes *pipes)
{
    if (pipe2(pipes->input, O_CLOEXEC) != 0)
        return false;
    if (pipe2(pipes->output, O_CLOEXEC) == 0)
        return true;
    close(pipes->input[0]);
    close(pipes->input[1]);
    return false;
}

/* Joins this process's ends to one descriptor; -1: errno. */
static int join_pipes(const struct pipes *pipes)
{
    int ends[2];
    int back;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        close(pipes->input[1]);
        close(pipes->output[0]);
        return -1;
    }
    back = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    /* (Where a pump cannot start the connection ends at once, and the dial fails.) */
    if (!pump_start(pipes->output[0], back, NULL) || !pump_start(ends[1], pipes->input[1], NULL))
        shutdown(ends[0], SHUT_RDWR);
    return ends[0];
}

struct proxy_command *proxy_command_start(struct proxy_commands *all, const char *command, int *fd)
{
    struct proxy_command *p;
    struct pipes pipes;
    int error;

    if (!open_pipes(&pipes))
        return NULL;
    p = mem_zalloc(sizeof(*p));
    error = spawn_shell(all, p, command, pipes.input[0], pipes.output[1]);
    close_ends(&pipes, false);
    LIST_INSERT_HEAD(&all->list, p, link);
    if (error != 0) {
        close_ends(&pipes, true);
    } else {
        *fd = join_pipes(&pipes);
        error = *fd < 0 ? -errno : 0;
    }
    if (error != 0) {
        proxy_command_hang_up(
            p); /* (libuv requires that the handle is closed, also if the process never ran) */
        errno = -error;
        return NULL;
    }
    return p;
}

const char *proxy_command_ended(struct proxy_command *p)
{
    siginfo_t info = {0};

    /* The connection of a command ends before libuv has waited for the process: the status is
     * looked up. */
    if (p->ended[0] == '\0' &&
        waitid(P_PID, (id_t)p->process.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid != 0)
        set_ended(p, info.si_code == CLD_EXITED ? info.si_status : 0,
                  info.si_code == CLD_EXITED ? 0 : info.si_status);
    return p->ended[0] != '\0' ? p->ended : NULL;
}

void proxy_command_leave(struct proxy_command *p)
{
    if (p == NULL)
        return;
    p->abandoned = true;
    if (!uv_is_active((uv_handle_t *)&p->process))
        forget_command(p);
}

void proxy_command_hang_up(struct proxy_command *p)
{
    if (p != NULL && uv_is_active((uv_handle_t *)&p->process))
        uv_process_kill(&p->process, SIGHUP);
    proxy_command_leave(p);
}

void proxy_commands_free(struct proxy_commands *all)
{
    struct proxy_command *p;

    if (all == NULL)
        return;
    while ((p = LIST_FIRST(&all->list)) != NULL) {
        if (uv_is_active((uv_handle_t *)&p->process))
            uv_process_kill(&p->process, SIGHUP);
        forget_command(p);
    }
    free(all);
}

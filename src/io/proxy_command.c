/* ProxyCommand, by uv_spawn: it resets the signals, and reaps. */
#include "io/proxy_command.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct proxy_command {
    uv_process_t process;
    LIST_ENTRY(proxy_command) link;
    bool abandoned; /* goes when it has exited */
    char ended[40]; /* how; "": it runs */
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

static void closed(uv_handle_t *handle)
{
    free(container_of((uv_process_t *)handle, struct proxy_command, process));
}

static void forget(struct proxy_command *p)
{
    LIST_REMOVE(p, link);
    uv_close((uv_handle_t *)&p->process, closed);
}

static void set_ended(struct proxy_command *p, int status, int signal)
{
    if (signal != 0)
        snprintf(p->ended, sizeof(p->ended), "killed by signal %d", signal);
    else
        snprintf(p->ended, sizeof(p->ended), "exited with status %d", status);
}

static void exited(uv_process_t *process, int64_t status, int signal)
{
    struct proxy_command *p = container_of(process, struct proxy_command, process);

    set_ended(p, (int)status, signal);
    if (p->abandoned)
        forget(p);
}

/* Runs it with `fd` as both. Returns 0 or an error of libuv. */
static int spawn(struct proxy_commands *all, struct proxy_command *p, const char *command, int fd)
{
    const char *shell = getenv("SHELL");
    char *script = mem_printf("exec %s", command);
    char *argv[] = {(char *)(shell != NULL && shell[0] != '\0' ? shell : "/bin/sh"), (char *)"-c",
                    script, NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_INHERIT_FD, .data.fd = fd},
        {.flags = UV_INHERIT_FD, .data.fd = fd},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    uv_process_options_t options = {
        .exit_cb = exited,
        .file = argv[0],
        .args = argv,
        .stdio_count = sizeof(stdio) / sizeof(stdio[0]),
        .stdio = stdio,
    };
    int error = uv_spawn(loop_uv(all->loop), &p->process, &options);

    free(script);
    return error;
}

struct proxy_command *proxy_command_start(struct proxy_commands *all, const char *command, int *fd)
{
    struct proxy_command *p;
    int ends[2];
    int error;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return NULL;
    p = mem_zalloc(sizeof(*p));
    error = spawn(all, p, command, ends[1]);
    close(ends[1]);
    LIST_INSERT_HEAD(&all->list, p, link);
    if (error != 0) {
        close(ends[0]);
        forget(p); /* (libuv wants it closed even so) */
        errno = -error;
        return NULL;
    }
    *fd = ends[0];
    return p;
}

const char *proxy_command_ended(struct proxy_command *p)
{
    siginfo_t info = {0};

    /* Its connection has ended before it is reaped: who asks then wants to know all the same. */
    if (p->ended[0] == '\0' &&
        waitid(P_PID, (id_t)p->process.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid != 0)
        set_ended(p, info.si_code == CLD_EXITED ? info.si_status : 0,
                  info.si_code == CLD_EXITED ? 0 : info.si_status);
    return p->ended[0] != '\0' ? p->ended : NULL;
}

void proxy_command_hang_up(struct proxy_command *p)
{
    if (p == NULL)
        return;
    p->abandoned = true;
    if (!uv_is_active((uv_handle_t *)&p->process))
        forget(p);
    else
        uv_process_kill(&p->process, SIGHUP);
}

void proxy_commands_free(struct proxy_commands *all)
{
    struct proxy_command *p;

    if (all == NULL)
        return;
    while ((p = LIST_FIRST(&all->list)) != NULL) {
        if (uv_is_active((uv_handle_t *)&p->process))
            uv_process_kill(&p->process, SIGHUP);
        forget(p);
    }
    free(all);
}

/* ProxyCommand, by posix_spawn(3). It runs for as long as its connection, and its exit is an event
 * of the loop (pidfd_open(2)): so it is not io/subprocess's, which waits. (libuv's uv_spawn would
 * not know the commands that run through an upgrade.)
 *
 * As with ssh(1) the command has a pipe for its input and one for its output: some commands
 * (ncat) show the end of their connection only by closing one of them. */
#include "io/proxy_command.h"

#include "base/mem.h"
#include "io/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct proxy_command {
    uv_poll_t poll;
    struct proxy_commands *all;
    LIST_ENTRY(proxy_command) link;
    struct quota *quota; /* NULL: it is one of none */
    pid_t pid;
    int exit_fd;                     /* readable when it has exited */
    proxy_command_exited_fn *exited; /* NULL: nobody wants to know */
    void *arg;
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
    free(container_of((uv_poll_t *)handle, struct proxy_command, poll));
}

static void forget_command(struct proxy_command *p)
{
    LIST_REMOVE(p, link);
    quota_give(p->quota);
    uv_poll_stop(&p->poll);
    close(p->exit_fd);
    uv_close((uv_handle_t *)&p->poll, on_command_closed);
}

static void on_command_exited(uv_poll_t *poll, int status, int events)
{
    struct proxy_command *p = container_of(poll, struct proxy_command, poll);
    proxy_command_exited_fn *exited = p->exited;
    void *arg = p->arg;
    siginfo_t info = {0};

    (void)status;
    (void)events;
    if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return;
    forget_command(p);
    if (exited == NULL)
        return;
    if (info.si_code == CLD_EXITED)
        exited(arg, info.si_status, 0);
    else
        exited(arg, 0, info.si_status);
}

struct proxy_command *proxy_command_adopt(struct proxy_commands *all, pid_t pid,
                                          proxy_command_exited_fn *exited, void *arg)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct proxy_command *p;

    if (fd < 0)
        return NULL;
    p = mem_zalloc(sizeof(*p));
    *p =
        (struct proxy_command){.all = all, .pid = pid, .exit_fd = fd, .exited = exited, .arg = arg};
    if (uv_poll_init(loop_uv(all->loop), &p->poll, fd) != 0) {
        close(fd);
        free(p);
        errno = EMFILE;
        return NULL;
    }
    LIST_INSERT_HEAD(&all->list, p, link);
    uv_poll_start(&p->poll, UV_READABLE, on_command_exited);
    return p;
}

/* The pipes: one end of each is the command's. */
struct pipes {
    int input[2];
    int output[2];
};

/* 0 or an error of errno(3). */
static int spawn_shell(const char *command, const struct pipes *pipes, pid_t *pid)
{
    const char *shell = getenv("SHELL");
    char *script = mem_printf("exec %s", command);
    const char *const arguments[] = {shell != NULL && shell[0] != '\0' ? shell : "/bin/sh", "-c",
                                     script, NULL};
    int error = spawn_start(
        &(struct spawn_request){
            .arguments = arguments,
            .fds = {pipes->input[0], pipes->output[1], -1},
        },
        pid);

    free(script);
    return error;
}

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

/* With one taken of the quota. */
static struct proxy_command *start_with_quota(struct proxy_commands *all,
                                              const struct proxy_command_request *request,
                                              int ends[static 2])
{
    struct proxy_command *p = NULL;
    struct pipes pipes;
    pid_t pid;
    int error;

    if (!open_pipes(&pipes))
        return NULL;
    error = spawn_shell(request->command, &pipes, &pid);
    if (error == 0) {
        p = proxy_command_adopt(all, pid, request->exited, request->arg);
        error = errno;
        if (p == NULL) { /* (nobody would wait for it) */
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
    }
    close_ends(&pipes, false);
    if (p == NULL) {
        close_ends(&pipes, true);
        errno = error;
        return NULL;
    }
    p->quota = request->quota;
    ends[0] = pipes.input[1];
    ends[1] = pipes.output[0];
    return p;
}

struct proxy_command *proxy_command_start(struct proxy_commands *all,
                                          const struct proxy_command_request *request,
                                          int ends[static 2])
{
    struct proxy_command *p;
    int error;

    if (!quota_take(request->quota)) {
        errno = EAGAIN;
        return NULL;
    }
    p = start_with_quota(all, request, ends);
    error = errno;
    if (p == NULL)
        quota_give(request->quota);
    errno = error;
    return p;
}

void proxy_commands_each_left(const struct proxy_commands *all, proxy_command_left_fn *each,
                              void *arg)
{
    const struct proxy_command *p;

    LIST_FOREACH (p, &all->list, link)
        if (p->exited == NULL)
            each(arg, p->pid);
}

pid_t proxy_command_process(const struct proxy_command *p)
{
    return p->pid;
}

void proxy_command_leave(struct proxy_command *p)
{
    p->exited = NULL;
}

void proxy_command_hang_up(struct proxy_command *p)
{
    kill(p->pid, SIGHUP);
    proxy_command_leave(p);
}

void proxy_commands_free(struct proxy_commands *all)
{
    struct proxy_command *p;

    if (all == NULL)
        return;
    while ((p = LIST_FIRST(&all->list)) != NULL) {
        kill(p->pid, SIGHUP);
        forget_command(p);
    }
    free(all);
}

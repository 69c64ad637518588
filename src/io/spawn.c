/* posix_spawn(3); and fork(2) where a program is to end with this process. */
#include "io/spawn.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void prepare_streams(posix_spawn_file_actions_t *actions,
                            const struct spawn_request *request)
{
    if (request->fds[STDIN_FILENO] < 0)
        posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (request->fds[i] >= 0)
            posix_spawn_file_actions_adddup2(actions, request->fds[i], i);
    if (request->errors_to_output)
        posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static void prepare_attributes(posix_spawnattr_t *attributes, const struct spawn_request *request)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                 (request->own_group ? POSIX_SPAWN_SETPGROUP : 0) |
                                                 (request->own_session ? POSIX_SPAWN_SETSID : 0)));
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
}

/* What the child of fork(2) does until it is the program: only calls that signal-safety(7) has, as
 * other threads may have held locks. Each number is an errno for the parent. */
struct spawn_child {
    const struct spawn_request *request;
    const char *program; /* its path */
    pid_t parent;
    int report; /* close-on-exec; its end says that the program runs */
};

static void report_error(const struct spawn_child *child, int error)
{
    (void)!write(child->report, &error, sizeof(error));
    _exit(127);
}

/* No signal is handled as by this process, whose handlers are gone anyhow, or ignored. */
static void reset_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &usual, NULL); /* (of some, and of the C library's own, it fails) */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool take_child_streams(const struct spawn_request *request)
{
    int null = open("/dev/null", O_RDONLY);

    if (null < 0)
        return false;
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        int fd = request->fds[i] < 0 && i == STDIN_FILENO ? null : request->fds[i];
        if (fd >= 0 && dup2(fd, i) < 0)
            return false;
    }
    return true;
}

__attribute__((noreturn)) static void become_program(const struct spawn_child *child)
{
    const struct spawn_request *request = child->request;

    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        report_error(child, errno);
    if (getppid() != child->parent) /* (it has ended before) */
        _exit(127);
    if (request->own_session)
        setsid();
    if (!take_child_streams(request))
        report_error(child, errno);
    reset_signals();
    execve(child->program, (char *const *)request->arguments,
           request->environment != NULL ? request->environment : environ);
    report_error(child, errno);
    _exit(127);
}

/* The path of a program that is looked for in PATH; the caller frees. NULL: there is none. */
static char *find_program(const char *name)
{
    const char *at = getenv("PATH");

    if (strchr(name, '/') != NULL)
        return mem_strdup(name);
    for (at = at != NULL ? at : "/bin:/usr/bin"; *at != '\0';) {
        size_t length = strcspn(at, ":");
        char *path = mem_printf("%.*s/%s", (int)length, at, name);
        if (access(path, X_OK) == 0)
            return path;
        free(path);
        at += length + (at[length] == ':');
    }
    return NULL;
}

/* The errno that the child reports; 0: the program runs. */
static int wait_for_report(int fd)
{
    int error = 0;
    ssize_t n;

    do
        n = read(fd, &error, sizeof(error));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(error) ? error : 0;
}

/* (Every other descriptor of this process is close-on-exec.) */
static int fork_program(const struct spawn_child *child, pid_t *pid)
{
    sigset_t all, before;
    int error = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    *pid = fork();
    if (*pid == 0)
        become_program(child);
    if (*pid < 0)
        error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static int start_by_fork(const struct spawn_request *request, pid_t *pid)
{
    char *program = find_program(request->arguments[0]);
    struct spawn_child child = {.request = request, .program = program, .parent = getpid()};
    int report[2];
    int error = ENOENT;

    if (program != NULL && pipe2(report, O_CLOEXEC) == 0) {
        child.report = report[1];
        error = fork_program(&child, pid);
        close(report[1]);
        if (error == 0 && (error = wait_for_report(report[0])) != 0)
            waitpid(*pid, NULL, 0);
        close(report[0]);
    } else if (program != NULL) {
        error = errno;
    }
    free(program);
    return error;
}

int spawn_start(const struct spawn_request *request, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    if (request->ends_with_us)
        return start_by_fork(request, pid);
    posix_spawnattr_init(&attributes);
    prepare_attributes(&attributes, request);
    posix_spawn_file_actions_init(&actions);
    prepare_streams(&actions, request);
    error = posix_spawnp(pid, request->arguments[0], &actions, &attributes,
                         (char *const *)request->arguments,
                         request->environment != NULL ? request->environment : environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

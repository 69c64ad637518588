/* posix_spawn(3) with pipes, poll(2) and waitpid(2). There is no fork(2): a copy of a process with
 * threads may only call what a signal handler may. */
#include "io/subprocess.h"

#include "base/clock.h"
#include "base/mem.h"
#include "io/memory_file.h"
#include "io/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TERM_MS 1000 /* from SIGTERM to SIGKILL */
#define LOOK_MS 10   /* how often to look for the exit where the kernel has no pidfd_open(2) */

/* A program that runs. */
struct running {
    pid_t pid;
    bool leads;  /* a process group */
    int exit_fd; /* readable when the program has exited (pidfd_open(2)); -1: looked for */
    struct {
        int fd; /* this process's end of the pipe; -1: none, or at its end */
        struct subprocess_text *into;
    } streams[2]; /* standard output, standard error */
};

/* ---- starting */

/* The ends of pipes and files that become the program's standard streams; -1: see spawn.h. */
struct program_ends {
    int fds[3];
};

/* A pipe that ends in `into`; false: errno. */
static bool open_stream(struct running *running, int stream, struct subprocess_text *into,
                        struct program_ends *ends)
{
    int pipe_ends[2];

    if (into->text == NULL)
        return true;
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return false;
    /* (Only this end: the program's must block.) */
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    running->streams[stream - STDOUT_FILENO].fd = pipe_ends[0];
    running->streams[stream - STDOUT_FILENO].into = into;
    ends->fds[stream] = pipe_ends[1];
    return true;
}

static bool open_streams(struct running *running, struct subprocess *program,
                         struct program_ends *ends)
{
    /* (In a file the input waits: nothing has to be written while the program reads.) */
    if (program->input != NULL) {
        ends->fds[STDIN_FILENO] = memory_file_new("input", program->input, program->input_length);
        if (ends->fds[STDIN_FILENO] < 0)
            return false;
    }
    if (!open_stream(running, STDOUT_FILENO, &program->output, ends))
        return false;
    return program->errors_to_output || open_stream(running, STDERR_FILENO, &program->errors, ends);
}

static void close_program_ends(struct program_ends *ends)
{
    for (int i = 0; i < 3; i++)
        if (ends->fds[i] >= 0)
            close(ends->fds[i]);
}

static void close_streams(struct running *running)
{
    for (int i = 0; i < 2; i++) {
        if (running->streams[i].fd >= 0)
            close(running->streams[i].fd);
        running->streams[i].fd = -1;
    }
}

/* 0 or an error of errno(3), with nothing left open. */
static int start_program(struct running *running, struct subprocess *program)
{
    struct program_ends ends = {.fds = {-1, -1, -1}};
    int error;

    *running = (struct running){
        .leads = program->own_group, .exit_fd = -1, .streams = {{.fd = -1}, {.fd = -1}}};
    error = open_streams(running, program, &ends) ? 0 : errno;
    if (error == 0)
        error = spawn_start(
            &(struct spawn_request){
                .arguments = program->arguments,
                .environment = (char *const *)program->environment,
                .fds = {ends.fds[STDIN_FILENO], ends.fds[STDOUT_FILENO], ends.fds[STDERR_FILENO]},
                .errors_to_output = program->errors_to_output,
                .own_group = program->own_group,
            },
            &running->pid);
    close_program_ends(&ends);
    if (error != 0)
        close_streams(running);
    else
        running->exit_fd = (int)syscall(SYS_pidfd_open, running->pid, 0);
    return error;
}

/* ---- what a program prints */

static void clear_text(struct subprocess_text *text)
{
    text->length = 0;
    text->cut = false;
    if (text->text != NULL)
        text->text[0] = '\0';
}

/* Takes what a stream holds. 0, also at the end of the stream, EFBIG when there is no room for it,
 * or an error of read(2). */
static int take_output(struct running *running, int i)
{
    struct subprocess_text *into = running->streams[i].into;
    size_t room = into->size - 1 - into->length;
    char dropped[512];
    ssize_t n = read(running->streams[i].fd, room > 0 ? into->text + into->length : dropped,
                     room > 0 ? room : sizeof(dropped));

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : errno;
    if (n == 0) {
        close(running->streams[i].fd);
        running->streams[i].fd = -1;
    } else if (room > 0) {
        into->length += (size_t)n;
        into->text[into->length] = '\0';
    } else {
        into->cut = true;
        explicit_bzero(dropped, sizeof(dropped));
        return EFBIG;
    }
    return 0;
}

/* Reads both streams to their ends. 0 or an error of errno(3). */
static int take_streams(struct running *running, const struct subprocess *program)
{
    int error = 0;

    while (error == 0 && (running->streams[0].fd >= 0 || running->streams[1].fd >= 0)) {
        struct pollfd polled[2];
        for (int i = 0; i < 2; i++)
            polled[i] = (struct pollfd){.fd = running->streams[i].fd, .events = POLLIN};
        error = wait_for_any(polled, 2, &program->limit);
        for (int i = 0; error == 0 && i < 2; i++) {
            if (polled[i].revents != 0)
                error = take_output(running, i);
            if (error == EFBIG && !program->end_when_cut)
                error = 0;
        }
    }
    return error;
}

/* ---- ending */

/* Waits until the program has exited, and leaves its status to waitpid(2). 0 or an error of
 * errno(3). */
static int wait_for_exit(const struct running *running, const struct wait_limit *limit)
{
    for (;;) {
        siginfo_t exited = {0};
        struct wait_limit look = *limit;
        int error;

        if (waitid(P_PID, (id_t)running->pid, &exited, WEXITED | WNOHANG | WNOWAIT) != 0)
            return errno;
        if (exited.si_pid == running->pid)
            return 0;
        if (running->exit_fd < 0 && look.until > clock_now() + LOOK_MS)
            look.until = clock_now() + LOOK_MS;
        error = wait_for(running->exit_fd, POLLIN, &look);
        if (error == ETIMEDOUT && look.until < limit->until)
            error = 0;
        if (error != 0)
            return error;
    }
}

/* Waits until the program has exited, and takes its status. 0 or an error of errno(3). */
static int reap(const struct running *running, const struct wait_limit *limit, int *status)
{
    int error = wait_for_exit(running, limit);

    if (error != 0)
        return error;
    while (waitpid(running->pid, status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

/* Ends the program, and waits for it. A group has its number for as long as its leader was not
 * waited for, so that no other process is meant. */
static void end_program(const struct running *running)
{
    pid_t whom = running->leads ? -running->pid : running->pid;
    struct wait_limit limit = wait_limit(-1, TERM_MS);
    int status;

    kill(whom, SIGTERM);
    wait_for_exit(running, &limit);
    kill(whom, SIGKILL);
    limit = wait_limit(-1, -1);
    reap(running, &limit, &status);
}

static struct subprocess_end end_of(int error, int status)
{
    if (error == ETIMEDOUT)
        return (struct subprocess_end){SUBPROCESS_TIMED_OUT, 0};
    if (error == ECONNABORTED)
        return (struct subprocess_end){SUBPROCESS_ABORTED, 0};
    if (error == EFBIG)
        return (struct subprocess_end){SUBPROCESS_OVERFLOWED, 0};
    if (error != 0)
        return (struct subprocess_end){SUBPROCESS_FAILED, error};
    if (WIFEXITED(status))
        return (struct subprocess_end){SUBPROCESS_EXITED, WEXITSTATUS(status)};
    return (struct subprocess_end){SUBPROCESS_KILLED, WTERMSIG(status)};
}

/* Whether the limit's connection was shut down already: then a program would only be ended again,
 * and one that ignores SIGTERM could outlive this process. */
static bool is_cut(const struct wait_limit *limit)
{
    struct wait_limit now = wait_limit(limit->connection, 0);

    return wait_for(-1, 0, &now) == ECONNABORTED;
}

struct subprocess_end subprocess_run(struct subprocess *program)
{
    struct running running;
    int status = 0;
    int error;

    clear_text(&program->output);
    clear_text(&program->errors);
    if (is_cut(&program->limit))
        return (struct subprocess_end){SUBPROCESS_ABORTED, 0};
    error = start_program(&running, program);
    if (error != 0)
        return (struct subprocess_end){SUBPROCESS_NOT_STARTED, error};
    error = take_streams(&running, program);
    if (error == 0)
        error = reap(&running, &program->limit, &status);
    /* (ECHILD: this process ignores SIGCHLD, and the kernel has dropped the status. The number may
     * be another process's by now.) */
    if (error != 0 && error != ECHILD)
        end_program(&running);
    close_streams(&running);
    /* (By its number, as it was opened: ThreadSanitizer knows neither call, and would take the
     * descriptor for the one of that number that libuv closed in the same way.) */
    if (running.exit_fd >= 0)
        syscall(SYS_close, running.exit_fd);
    return end_of(error, status);
}

bool program_is_there(const char *name)
{
    const char *at = getenv("PATH");
    bool is = false;

    for (at = at != NULL ? at : "/bin:/usr/bin"; !is && *at != '\0';) {
        size_t length = strcspn(at, ":");
        char *path = mem_printf("%.*s/%s", (int)length, at, name);
        is = access(path, X_OK) == 0;
        free(path);
        at += length + (at[length] == ':');
    }
    return is;
}

bool subprocess_succeeded(struct subprocess_end end)
{
    return end.outcome == SUBPROCESS_EXITED && end.number == 0;
}

const char *subprocess_describe(struct subprocess_end end, char text[static SUBPROCESS_END_MAX])
{
    switch (end.outcome) {
    case SUBPROCESS_EXITED:
        snprintf(text, SUBPROCESS_END_MAX, "exited with status %d", end.number);
        break;
    case SUBPROCESS_KILLED:
        snprintf(text, SUBPROCESS_END_MAX, "was killed by signal %d (%s)", end.number,
                 strsignal(end.number));
        break;
    case SUBPROCESS_NOT_STARTED:
        snprintf(text, SUBPROCESS_END_MAX, "cannot be run: %s", strerror(end.number));
        break;
    case SUBPROCESS_TIMED_OUT: snprintf(text, SUBPROCESS_END_MAX, "did not end in time"); break;
    case SUBPROCESS_ABORTED:
        snprintf(text, SUBPROCESS_END_MAX, "was ended, as the connection has ended");
        break;
    case SUBPROCESS_OVERFLOWED:
        snprintf(text, SUBPROCESS_END_MAX, "was ended, as it printed too much");
        break;
    case SUBPROCESS_FAILED:
        snprintf(text, SUBPROCESS_END_MAX, "was ended: %s", strerror(end.number));
        break;
    }
    return text;
}

/* Running ssh -G. */
#include "conf/ssh_ask.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/types.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 30000                /* names of CanonicalizeHostname, commands of Match exec */
#define OUTPUT_MAX ((size_t)1 << 20) /* more is no answer */

extern char **environ;

/* A child and the two ends it writes to. */
struct run {
    pid_t pid;
    struct pollfd ends[3];  /* and the connection that ends it */
    struct buffer texts[2]; /* standard output, standard error */
};

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Starts it; 0 or an error of errno(3). */
static int start(struct run *run, char *const *argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    int pipes[2][2];

    for (int i = 0; i < 2; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) != 0) {
            int error = errno;
            if (i > 0)
                close(pipes[0][0]), close(pipes[0][1]);
            return error;
        }
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[0][1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], STDERR_FILENO);
    /* A running gateway blocks the signals it reads from a descriptor. */
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawnp(&run->pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 2; i++) {
        close(pipes[i][1]);
        run->ends[i] = (struct pollfd){.fd = pipes[i][0], .events = POLLIN};
        if (error != 0)
            close(pipes[i][0]);
    }
    return error;
}

/* Reads what is there; an end that has no more is left out from now on. */
static void take_output(struct run *run, int i)
{
    ssize_t got = read(run->ends[i].fd, buffer_reserve(&run->texts[i], 4096), 4096);

    if (got > 0)
        buffer_commit(&run->texts[i], (size_t)got);
    if ((got < 0 && errno != EINTR) || got == 0 || buffer_length(&run->texts[i]) > OUTPUT_MAX) {
        close(run->ends[i].fd);
        run->ends[i].fd = -1;
    }
}

/* Reads both ends to their end. False: ssh took too long or `connection` was shut down, and ssh was
 * killed. */
static bool read_all(struct run *run, int connection)
{
    uint64_t end = now_ms() + WAIT_MS;
    bool in_time = true;

    while (in_time && (run->ends[0].fd >= 0 || run->ends[1].fd >= 0)) {
        uint64_t now = now_ms();
        run->ends[2] = (struct pollfd){.fd = connection, .events = POLLRDHUP};
        int ready = poll(run->ends, 3, now < end ? (int)(end - now) : 0);
        in_time = (ready > 0 && run->ends[2].revents == 0) || (ready < 0 && errno == EINTR);
        for (int i = 0; ready > 0 && i < 2; i++) {
            if (run->ends[i].fd >= 0 && run->ends[i].revents)
                take_output(run, i);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (run->ends[i].fd >= 0)
            close(run->ends[i].fd);
    }
    if (!in_time)
        kill(run->pid, SIGKILL);
    return in_time;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return status;
}

/* The text without blanks at its end. */
static char *take_text(struct buffer *text)
{
    char *string = mem_strndup((const char *)buffer_data(text), buffer_length(text));
    size_t length = strlen(string);

    while (length > 0 && strchr("\r\n ", string[length - 1]))
        string[--length] = '\0';
    buffer_clear(text);
    return string;
}

static enum ssh_ask_outcome refuse(struct ssh_reply *reply, char *why)
{
    if (*reply->said == '\0') {
        free(reply->said);
        reply->said = why;
    } else {
        free(why);
    }
    return SSH_REFUSED;
}

/* Runs argv, and sorts out how it ended. */
static enum ssh_ask_outcome run_ssh(char *const *argv, int connection, struct ssh_reply *reply)
{
    struct run run = {0};
    int error = start(&run, argv);

    if (error != 0) {
        *reply = (struct ssh_reply){mem_strdup(""), mem_strdup("")};
        if (error == ENOENT)
            return SSH_ABSENT;
        return refuse(reply, mem_printf("ssh cannot be run: %s", strerror(error)));
    }
    bool in_time = read_all(&run, connection);
    int status = wait_for(run.pid);
    reply->text = take_text(&run.texts[0]);
    reply->said = take_text(&run.texts[1]);
    if (!in_time)
        return refuse(reply, mem_printf("ssh -G said nothing for %d seconds", WAIT_MS / 1000));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return refuse(reply, mem_printf("ssh -G failed"));
    return SSH_ANSWERED;
}

enum ssh_ask_outcome ssh_ask(const struct ssh_question *question, struct ssh_reply *reply)
{
    static const char *const first[] = {"ssh", "-G", "-T"};
    const size_t fixed = sizeof(first) / sizeof(first[0]);
    const size_t count = question->count;
    const char **argv = mem_zalloc((fixed + count + 3) * sizeof(*argv));

    memcpy(argv, first, sizeof(first));
    if (count > 0)
        memcpy(argv + fixed, question->words, count * sizeof(*argv));
    argv[fixed + count] = "--";
    argv[fixed + count + 1] = question->host;
    enum ssh_ask_outcome outcome = run_ssh((char *const *)argv, question->connection, reply);
    free(argv);
    return outcome;
}

void ssh_reply_clear(struct ssh_reply *reply)
{
    free(reply->text);
    free(reply->said);
    *reply = (struct ssh_reply){0};
}

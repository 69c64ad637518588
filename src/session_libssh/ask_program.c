/* Prompts through a program, as SSH_ASKPASS of ssh(1). */
#include "base/log.h"
#include "base/mem.h"
#include "session_libssh/ask.h"
#include "session_libssh/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 4096

/* How long a program that is not wanted any more has to end, in so many pauses. */
#define PAUSES 20
#define PAUSE_NS 50000000

/* How often to look whether one that has said all has ended. */
#define LOOK_MS 10

/* Its first line; false: the connection has ended before it did. */
static bool read_answer(int fd, int connection, char answer[ANSWER_MAX])
{
    size_t length = 0;

    answer[0] = '\0';
    for (;;) {
        char more[256];
        ssize_t n;
        if (!ask_wait(fd, connection, -1))
            return false;
        n = read(fd, more, sizeof(more));
        if (n <= 0)
            break;
        if ((size_t)n > ANSWER_MAX - 1 - length)
            n = (ssize_t)(ANSWER_MAX - 1 - length);
        memcpy(answer + length, more, (size_t)n);
        length += (size_t)n;
        answer[length] = '\0';
        explicit_bzero(more, sizeof(more));
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    return true;
}

static void end(pid_t child)
{
    kill(child, SIGTERM);
    for (int i = 0; i < PAUSES; i++) {
        if (waitpid(child, NULL, WNOHANG) != 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Whether it ended well. */
static bool reap(pid_t child, int connection, const char *program)
{
    int status = 0;
    pid_t waited;

    while ((waited = waitpid(child, &status, WNOHANG)) == 0) {
        if (!ask_wait(-1, connection, LOOK_MS)) {
            end(child);
            return false;
        }
    }
    if (waited == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    log_info("askpass %s gave no answer", program);
    return false;
}

char *program_ask(const char *program, const char *prompt, int connection)
{
    const char *const arguments[] = {program, prompt, NULL};
    char answer[ANSWER_MAX];
    char *given = NULL;
    int ends[2];
    pid_t child;
    int error;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_warning("askpass: %s", strerror(errno));
        return NULL;
    }
    error = child_spawn(arguments, (const int[]){-1, ends[1], -1}, &child);
    close(ends[1]);
    if (error != 0)
        log_warning("askpass %s: %s", program, strerror(error));
    else if (!read_answer(ends[0], connection, answer))
        end(child);
    else if (reap(child, connection, program))
        given = mem_strdup(answer);
    explicit_bzero(answer, sizeof(answer));
    close(ends[0]);
    return given;
}

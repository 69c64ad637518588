/* Prompts on the controlling terminal, whatever standard input is. */
#include "io/terminal.h"

#include "base/mem.h"
#include "io/wait.h"
#include "io/whole.h"

#include <fcntl.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* A terminal gives no longer line (termios(3), canonical mode). */
#define LINE_MAX_LENGTH 4096

int terminal_open(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    /* A process that reads a terminal from its background is stopped, which must not happen to a
     * proxy. */
    if (fd >= 0 && tcgetpgrp(fd) != getpgrp()) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The settings to restore, also when the process ends during a question. */
static struct {
    atomic_bool changed;
    int fd;
    struct termios before;
} terminal;

static void restore(void)
{
    if (atomic_exchange(&terminal.changed, false))
        tcsetattr(terminal.fd, TCSAFLUSH, &terminal.before);
}

static void restore_at_exit(void)
{
    atexit(restore);
}

static void hide(int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct termios hidden;

    pthread_once(&once, restore_at_exit);
    if (tcgetattr(fd, &terminal.before) != 0)
        return;
    terminal.fd = fd;
    hidden = terminal.before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    /* A process that is suspended, or killed by SIGQUIT, would leave the shell a terminal without
     * echo. */
    hidden.c_cc[VSUSP] = _POSIX_VDISABLE;
    hidden.c_cc[VQUIT] = _POSIX_VDISABLE;
    atomic_store(&terminal.changed, true);
    tcsetattr(fd, TCSAFLUSH, &hidden);
}

/* (restore is safe in a handler: an atomic exchange and tcsetattr(3), see signal-safety(7).) */
static void on_end_of_process(int number)
{
    restore();
    signal(number, SIG_DFL);
    raise(number);
}

void terminal_restore_at_signals(void)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = on_end_of_process};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
}

/* Reads one line, without its end. NULL: the end of the file, or the connection has ended. */
static char *read_answer(int fd, int connection)
{
    struct wait_limit limit = wait_limit(connection, -1);
    char line[LINE_MAX_LENGTH + 1];
    size_t length = 0;
    char *answer = NULL;

    for (;;) {
        ssize_t n = -1;
        if (wait_for(fd, POLLIN, &limit) == 0)
            n = read(fd, line + length, LINE_MAX_LENGTH - length);
        if (n <= 0)
            break;
        length += (size_t)n;
        line[length] = '\0';
        if (memchr(line, '\n', length) != NULL || length == LINE_MAX_LENGTH) {
            answer = mem_strndup(line, strcspn(line, "\r\n"));
            break;
        }
    }
    explicit_bzero(line, sizeof(line));
    return answer;
}

/* Without SIGTTIN and SIGTTOU: from the background, where the shell can put us at any time, a read
 * fails then instead of stopping the process. */
static void hold_job_control(sigset_t *before)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGTTIN);
    sigaddset(&held, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &held, before);
}

char *terminal_ask(const char *prompt, bool echo, int connection)
{
    int fd = terminal_open();
    sigset_t before;
    char *answer;

    if (fd < 0)
        return NULL;
    hold_job_control(&before);
    if (!echo)
        hide(fd);
    write_whole(fd, prompt, strlen(prompt));
    answer = read_answer(fd, connection);
    if (!echo || answer == NULL)
        write_whole(fd, "\n", 1);
    if (!echo)
        restore();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fd);
    return answer;
}

/* (tcgetpgrp(3) fails for any other terminal.) */
void terminal_leave_background(int fd)
{
    pid_t group = tcgetpgrp(fd);

    if (group > 0 && group != getpgrp())
        ioctl(fd, TIOCNOTTY);
}

void terminal_show(const char *text)
{
    int fd = terminal_open();
    sigset_t before;

    if (fd < 0)
        return;
    hold_job_control(&before);
    write_whole(fd, text, strlen(text));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fd);
}

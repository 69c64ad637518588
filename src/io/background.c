/* Two processes and a pipe between them. */
#include "io/background.h"

#include "base/exit_status.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready_fd = -1; /* of the child: a byte tells the parent that the gateway is up */

/* In the parent. */
static _Noreturn void wait_for_child(pid_t child, int fd)
{
    char byte;
    ssize_t n;
    int status;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(0);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_SSH);
}

bool background_begin(void)
{
    int ends[2];
    pid_t parent = getpid();
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    child = fork();
    if (child < 0)
        return false;
    close(ends[child > 0]);
    if (child > 0)
        wait_for_child(child, ends[0]);
    ready_fd = ends[1];
    /* A signal that ends the parent, which is the command that a person started, ends the child
     * too. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_SSH);
    return true;
}

bool background_has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int background_null(void)
{
    static int null = -1;

    if (null < 0)
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
    return null;
}

/* Descriptors 0 to `last`. */
static void lead_to_null(int last)
{
    int null = background_null();

    for (int fd = 0; null >= 0 && fd <= last; fd++)
        dup2(null, fd);
}

void background_leave(bool keep_stderr)
{
    setsid();
    lead_to_null(keep_stderr ? STDOUT_FILENO : STDERR_FILENO);
}

void background_leave_stdio(void)
{
    lead_to_null(STDOUT_FILENO);
}

void background_detach(bool keep_stderr)
{
    prctl(PR_SET_PDEATHSIG, 0);
    background_leave(keep_stderr);
    if (write(ready_fd, "", 1) < 0)
        errno = 0; /* the parent has ended */
    close(ready_fd);
    ready_fd = -1;
}

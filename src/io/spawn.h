/* Starting a program as a child of this process. Any thread. */
#ifndef ADIT_IO_SPAWN_H
#define ADIT_IO_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/* What it is started with; the rest is as it would be from a shell: no signal is blocked or
 * ignored, though this process ignores SIGPIPE and its loops read signals from a descriptor, and no
 * other descriptor is open. */
struct spawn_request {
    const char *const *arguments; /* the first is looked for in PATH; a NULL ends them */
    char *const *environment;     /* NULL: this process's */
    int fds[3];                   /* its standard streams, which stay the caller's; -1: input is
                                     /dev/null, output and errors are this process's */
    bool errors_to_output;        /* in the place of fds[2] */
    bool own_group;               /* of processes, which can be ended as one */
    bool own_session;             /* the terminal's signals do not reach it */
    /* It gets SIGTERM when the thread that starts it ends, however that comes (prctl(2),
     * PR_SET_PDEATHSIG). A program that the process is replaced by (execve(2)) is the same thread.
     * Not with errors_to_output or own_group. */
    bool ends_with_us;
};

/* Returns 0 and the process's number, or an error of errno(3). */
int spawn_start(const struct spawn_request *request, pid_t *pid);

#endif

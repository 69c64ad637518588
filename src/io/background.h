/* ssh's -f: the shell waits until the gateway is up, and then gets its prompt back. Called by
 * main.c before there are threads, and by the main thread. */
#ifndef ADIT_IO_BACKGROUND_H
#define ADIT_IO_BACKGROUND_H

#include <stdbool.h>

/* Forks (fork(2)), before there are threads. The child returns, with the terminal, so that a person
 * can still be asked. The parent waits for background_detach and exits with 0, or, if the child
 * ends before, with its exit status, 255 in doubt. False: no process can be made (errno). */
bool background_begin(void);

/* Whether this process has a terminal that has not hung up. */
bool background_has_terminal(void);

/* A descriptor of /dev/null, which the first call opens and nobody closes; -1: there is none. */
int background_null(void);

/* Leaves the terminal: a session of its own, standard input and output become /dev/null, and
 * standard error too unless it is to be kept. */
void background_leave(bool keep_stderr);

/* Standard input and output become /dev/null, as another process has them. */
void background_leave_stdio(void);

/* In the child of background_begin, once: background_leave, and releases the parent. */
void background_detach(bool keep_stderr);

#endif

/* Prompts on the controlling terminal, whatever standard input is. Any thread that may block; one
 * question at a time. */
#ifndef ADIT_IO_TERMINAL_H
#define ADIT_IO_TERMINAL_H

#include <stdbool.h>

/* A descriptor of the terminal; -1: there is none, or this process is in its background. */
int terminal_open(void);

/* Shows the prompt and reads one line, without its end. Without `echo` the answer is not seen as it
 * is typed. The end of `connection`, a descriptor, ends the question; -1: none. NULL: there is no
 * terminal, no answer, or the connection has ended. The caller frees, a secret after it overwrote
 * it. */
char *terminal_ask(const char *prompt, bool echo, int connection);

/* For a process that leaves SIGHUP, SIGINT and SIGTERM to the system: one that ends it during a
 * question leaves the terminal as it was. Before there are other threads. */
void terminal_restore_at_signals(void);

/* For a descriptor that another process has passed, before it is read or written: if it is the
 * terminal of this process, which runs in its background, the process has no terminal from then on.
 * Else the kernel would stop all of it at the first read (SIGTTIN, SIGTTOU). Main thread. */
void terminal_leave_background(int fd);

/* Shows a text that ends with a newline. */
void terminal_show(const char *text);

#endif

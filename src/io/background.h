/* ssh's -f: the terminal waits until all is up, then it goes on without us. */
#ifndef ADIT_IO_BACKGROUND_H
#define ADIT_IO_BACKGROUND_H

#include <stdbool.h>

/* Forks; to be called before there are threads. The child returns, with the terminal, so that a
 * person can still be asked. The parent waits for background_detach and exits with 0, or, if the
 * child ends before, with its exit status, 255 in doubt. False: there is no process to be had
 * (errno). */
bool background_begin(void);

/* In the child, once: releases the parent and leaves the terminal: a session of its own, standard
 * input and output from and to nowhere, and standard error too unless it is to be kept. */
void background_detach(bool keep_stderr);

#endif

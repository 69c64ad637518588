/* Starting a program. Any thread. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_CHILD_H
#define ADIT_SESSION_LIBSSH_CHILD_H

#include <sys/types.h>

/* Starts a program (found in PATH; `arguments` begins with its name and ends with NULL) with the
 * descriptors `streams` as its standard input, output and error, and no other. -1 instead of a
 * descriptor: /dev/null for the input, this process's own for the others. No signal is blocked or
 * ignored in it. The descriptors stay the caller's, who has to wait for the child. 0 or an error of
 * errno(3). */
int child_spawn(const char *const *arguments, const int streams[static 3], pid_t *child);

#endif

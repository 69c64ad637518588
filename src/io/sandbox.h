/* The gateway's lock: what the process gives up for good, before it talks to anybody. It has no
 * privileges and cannot get any, can open only the files of sandbox_files.c, and only for reading,
 * and can make only the system calls of sandbox_calls.c. A call that only an attacker has a use for
 * kills the process by SIGSYS; any other that is not listed fails. SECURITY.md says what it is for.
 */
#ifndef ADIT_IO_SANDBOX_H
#define ADIT_IO_SANDBOX_H

#include <stdbool.h>

/* Locks this process as far as the kernel and the build allow. Only where there is one thread: a
 * new thread inherits the lock. Returns what could not be had, as the end of "there is no ..."
 * ("Landlock in this kernel"), or NULL: the lock is whole. The caller frees. */
char *sandbox_enter(void);

/* Whether the build is one whose lock is always off, as a sanitizer reads files and makes calls of
 * its own. */
bool sandbox_is_left_out(void);

/* A file that this process could read when it locked itself and cannot any more, as another one has
 * its name now; NULL: there is none. (Those of io/system_files.h are left out.) Any thread. */
const char *sandbox_lost_file(void);

/* The parts. False: the kernel, or the build, has not got it, and `lack` says so, as above. */

/* Landlock, landlock(7): files that can be opened. */
bool sandbox_limit_files(const char **lack);

/* seccomp(2): system calls. The last part, as the others need calls that it forbids. */
bool sandbox_limit_calls(const char **lack);

#endif

/* This program once more, as a child process. For the keeper's main thread. */
#ifndef ADIT_IO_OWN_PROGRAM_H
#define ADIT_IO_OWN_PROGRAM_H

#include <sys/types.h>

/* The descriptor by which the child is given one. */
#define OWN_PROGRAM_FD 3

/* Executes the file that this process runs, also if another is in its place by now, with this
 * process's standard descriptors, `fd` as OWN_PROGRAM_FD, no other descriptor, and the signals
 * blocked that this thread blocks. Returns the process, or -1: errno. */
pid_t own_program_start(char *const argv[], char *const environment[], int fd);

/* The path of the file that this process runs; the caller frees. NULL: it is not known. */
char *own_program_path(void);

/* A path by which another program can execute the file that this process runs, as long as this
 * process runs: that of /proc where another file, or none, is in its place. The caller frees. */
char *own_program_name_for_others(void);

/* Executes a program in this process's place, with the descriptors that are not close-on-exec.
 * Returns an error of errno(3). */
int own_program_replace(const char *path, char *const argv[]);

/* Kills the child, unless it is exiting already, and takes the status that it ended with (wait(2)).
 * Waits for nothing but the kernel. */
int own_program_reap(pid_t child);

/* Kills it (SIGKILL), later to be reaped. */
void own_program_kill(pid_t child);

#endif

/* The files of this machine's resolver (/etc/hosts, /etc/resolv.conf) in a process whose lock
 * (io/sandbox) lets it open those that had these names when it was locked, and no others: each is
 * held by a descriptor, from which it is opened again. Another process gives a copy of the file
 * that has the name now. */
#ifndef ADIT_IO_SYSTEM_FILES_H
#define ADIT_IO_SYSTEM_FILES_H

#include <stdbool.h>

enum system_file { SYSTEM_FILE_HOSTS, SYSTEM_FILE_RESOLV_CONF, SYSTEM_FILES };

/* Before the lock, and before there are threads: takes hold of both, and has c-ares look up names
 * in the hosts file by ARES_AI_ENVHOSTS. */
void system_files_hold(void);

/* Whether they are held. Any thread. */
bool system_files_are_held(void);

/* Where a file that is held can be opened. Valid for ever. Any thread. */
const char *system_file_path(enum system_file file);

/* Holds what has the name now: the file itself, or else `copy`, which stays the caller's. Main
 * thread only. */
void system_file_renew(enum system_file file, int copy);

/* The name of a file that another one has replaced since it was held, so that what is held is old;
 * NULL: there is none. Main thread only. */
const char *system_file_replaced(void);

/* A copy of the file, in memory, of a file that is missing an empty one; the caller's. -1: it
 * cannot be read (errno). Any thread that may wait for a disk. */
int system_file_copy(enum system_file file);

#endif

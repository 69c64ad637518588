/* Copies one descriptor to another on a thread of its own. This is for standard input and output:
 * they may be files, and a loop cannot wait for a file. */
#ifndef ADIT_IO_PUMP_H
#define ADIT_IO_PUMP_H

#include <stdbool.h>

/* Copies `from` to `to` until the end of data or an error, then passes the end on (shutdown(2) if
 * `to` is a socket) and closes both. Both descriptors are taken over in any case.
 *
 * `*done` is a descriptor for the caller, to be closed by the caller. It becomes readable at the
 * end and yields an int: the errno that the copy ended with, or 0 for the end of data. NULL: the
 * caller does not want to know.
 *
 * The thread cannot be stopped, except from the other ends of the two descriptors. It uses nothing
 * else of the process. False: there is no thread or descriptor for it (errno). */
bool pump_start(int from, int to, int *done);

#endif

/* Copies one descriptor to another in a thread of its own: for standard input and output, which may
 * be files, and those no loop can wait for. */
#ifndef ADIT_IO_PUMP_H
#define ADIT_IO_PUMP_H

#include <stdbool.h>

/* Copies `from` to `to` until the end of data or an error, then passes the end on (shutdown(2) of a
 * socket) and closes both; they are taken in any case. Nobody can stop it but those at their other
 * ends: it holds nothing but the two, and `*done` (NULL: of no interest), a descriptor of the
 * caller's that becomes readable at the end and yields the errno, an int, that it ended with; 0:
 * the end of data. False: there is no thread or descriptor for it (errno). */
bool pump_start(int from, int to, int *done);

#endif

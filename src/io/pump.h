/* Copies one descriptor to another on a thread of its own. This is for standard input and output:
 * they may be files, and a loop cannot wait for a file. */
#ifndef ADIT_IO_PUMP_H
#define ADIT_IO_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes on their way through a pump that ends when `to` hangs up: may change them in place,
 * where there is room for PUMP_FILTER_ROOM more. Returns how many there are now, or -1: the copy
 * ends with ECANCELED, and `to` sees no end of data. On the pump's thread; `arg` is the pump's
 * until it has ended. */
#define PUMP_FILTER_ROOM 1
typedef ssize_t pump_filter_fn(void *arg, uint8_t *bytes, size_t length);

struct pump_options {
    /* While the pump waits for `from`, it looks at `to` (a socket), and ends when both directions
     * of that one are shut down: a terminal must not be read for nobody. */
    bool ends_with_to;
    /* At the end `to` is only closed: if it is a socket, others may write to it, too. */
    bool only_closes_to;
    pump_filter_fn *filter;      /* NULL: none */
    void *arg;                   /* of the filter */
    void (*free_arg)(void *arg); /* called once with `arg`, on any thread; NULL: nothing to do */
};

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

/* The same with options. */
bool pump_start_with(int from, int to, int *done, const struct pump_options *options);

#endif

/* Reading and writing in whole, for threads that may block: a dial thread, the thread that serves
 * an agent, the loading of a configuration, `adit -O`. Errors are numbers of errno(3). */
#ifndef ADIT_IO_WHOLE_H
#define ADIT_IO_WHOLE_H

#include "base/buffer.h"
#include "io/wait.h"

#include <stddef.h>

/* Receives exactly `length` bytes from a stream socket, which may block or not. 0, or an error:
 * ENODATA when the peer ended the stream before, and those of wait_for and recv(2). */
int receive_whole(int fd, void *bytes, size_t length, const struct wait_limit *limit);

/* Appends what has come at a stream socket, waiting until something has. 0, or an error as above.
 */
int receive_some(int fd, struct buffer *bytes, const struct wait_limit *limit);

/* Sends all bytes to a stream socket, which may block or not; never raises SIGPIPE. 0, or an error
 * of wait_for or send(2). */
int send_whole(int fd, const void *bytes, size_t length, const struct wait_limit *limit);

/* Writes all bytes to a descriptor that blocks (a terminal, a file). 0, or an error of write(2). */
int write_whole(int fd, const void *bytes, size_t length);

/* Which files file_read reads. */
enum file_kind {
    FILE_ANY,              /* whatever the name leads to; the read may block, as that of a FIFO */
    FILE_REGULAR,          /* nothing that could block or never end */
    FILE_REGULAR_OR_EMPTY, /* the same, and a device counts as an empty file: /dev/null */
};

/* Appends all of an open file to `bytes`, `max` bytes at the most. As room for the whole file is
 * taken first, no part of a file of stable size is left in memory that was given back. NULL, or the
 * reason in words (valid until the thread asks again), with errno set to its number. A `max` of a
 * MiB and more is of whole ones, as the reason names it. */
const char *descriptor_read(int fd, size_t max, enum file_kind kind, struct buffer *bytes);

/* The same for a file by its name. A name that leads to a terminal does not make it the
 * controlling one. */
const char *file_read(const char *path, size_t max, enum file_kind kind, struct buffer *bytes);

/* The first line of a file without its line end, for a secret, of which no copy stays. NULL: it
 * cannot be read (errno), or is empty (ENODATA). The caller frees by secret_free. */
char *file_first_line(const char *path);

#endif

/* Files in memory (memfd_create(2)), which cannot be changed any more: by their descriptor another
 * process reads what is in them. Any thread. */
#ifndef ADIT_IO_MEMORY_FILE_H
#define ADIT_IO_MEMORY_FILE_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* A file with these bytes, to be read from its beginning; close-on-exec. `name` is shown in /proc.
 * -1: errno. */
int memory_file_new(const char *name, const void *bytes, size_t length);

/* The text of a file, a NUL behind it; NULL: it cannot be read. The caller overwrites and frees it,
 * and keeps the descriptor. */
char *memory_file_text(int fd);

/* Appends what is in a file. False: it cannot be read. The caller clears in each case, and keeps
 * the descriptor. */
bool memory_file_bytes(int fd, struct buffer *bytes);

#endif

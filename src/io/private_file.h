/* Files with a private key or another secret. Any thread that may wait for a disk. */
#ifndef ADIT_IO_PRIVATE_FILE_H
#define ADIT_IO_PRIVATE_FILE_H

#include "base/buffer.h"

#include <stdbool.h>

/* Reads a regular file of 1 MiB at most, as ssh(1) reads no larger key files, to `text`, with a NUL
 * behind it. NULL, or why not: valid until the thread asks again, with errno set to the number of
 * the error, 0 for an empty file. The caller ends `text` by buffer_wipe in each case. */
const char *private_file_read(const char *path, struct buffer *text);

/* Whether another program may open the file by its name: it is a regular file of 1 MiB at most. */
bool private_file_is_plain(const char *path);

/* Why a file that others may read holds no secret, behind the file's name in a sentence; NULL: only
 * its owner may, or it is not ours. The caller frees. */
char *private_file_exposure(const char *path);

#endif

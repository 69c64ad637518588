/* A file's new content, or none of it: under a lock, and in one step. Threads that may block. */
#ifndef ADIT_SETUP_REPLACE_FILE_H
#define ADIT_SETUP_REPLACE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* A file that is going to be replaced. Other processes that want to, wait. */
struct replace_file {
    char *path; /* the file itself, where the name was a symbolic link */
    int directory;
    size_t most; /* bytes that it may have */
    char *text;  /* what it has now; "" if there is none */
    bool there;
};

/* Locks the file's directory and reads the file, of which `most` bytes are read, and written, at
 * the most (whole MiB). NULL: it is `replace`'s until replace_file_end;
 * else why not, which the caller frees. */
char *replace_file_begin(const char *file, size_t most, struct replace_file *replace);

/* Writes the new content beside the file and renames it: with the mode and the owner of the old
 * file, or 0600 for a new one. NULL, or why the file is as it was, which the caller frees. The
 * process ignores SIGXFSZ from then on. */
char *replace_file_write(const struct replace_file *replace, const char *text);

void replace_file_end(struct replace_file *replace);

#endif

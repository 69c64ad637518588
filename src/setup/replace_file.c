/* A file's new content, or none of it. */
#include "setup/replace_file.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "conf/types.h"
#include "io/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *wrong_with(const char *path)
{
    return mem_printf("%s: %s", path, strerror(errno));
}

/* The directory that the file is in; the caller frees. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return !slash ? mem_strdup(".") : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Adds the file's content. */
static char *read_old(struct replace_file *replace)
{
    struct buffer bytes = {0};
    const char *wrong = file_read(replace->path, replace->most, FILE_REGULAR, &bytes);
    char *error = NULL;

    replace->there = !wrong;
    if (wrong && errno != ENOENT)
        error = mem_printf("%s cannot be read: %s", replace->path, wrong);
    else if (buffer_length(&bytes) > 0 && memchr(buffer_data(&bytes), '\0', buffer_length(&bytes)))
        error = mem_printf("%s has a NUL byte: it is no file of text", replace->path);
    else
        replace->text = text_take(&bytes);
    buffer_clear(&bytes);
    return error;
}

char *replace_file_begin(const char *file, size_t most, struct replace_file *replace)
{
    char *real = realpath(file, NULL);
    char *error = NULL;

    *replace = (struct replace_file){
        .path = real ? real : mem_strdup(file), .directory = -1, .most = most};
    char *directory = directory_of(replace->path);
    replace->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (replace->directory < 0 || flock(replace->directory, LOCK_EX) != 0)
        error = wrong_with(directory);
    else
        error = read_old(replace);
    free(directory);
    if (error)
        replace_file_end(replace);
    return error;
}

/* Gives the new file what the old one had. */
static int keep_mode(const struct replace_file *replace, int fd)
{
    struct stat old, new;

    if (!replace->there)
        return 0;
    if (stat(replace->path, &old) != 0 || fstat(fd, &new) != 0)
        return -1;
    if ((old.st_uid != new.st_uid || old.st_gid != new.st_gid) &&
        fchown(fd, old.st_uid, old.st_gid) != 0)
        return -1;
    return fchmod(fd, old.st_mode & 07777);
}

static int write_new(const struct replace_file *replace, int fd, const char *text)
{
    if (keep_mode(replace, fd) != 0)
        return -1;
    errno = write_whole(fd, text, strlen(text));
    return errno == 0 && fsync(fd) == 0 ? 0 : -1;
}

char *replace_file_write(const struct replace_file *replace, const char *text)
{
    char *path, *error = NULL;
    int fd;

    if (strlen(text) > replace->most)
        return mem_printf("%s: it would have more than %zu MiB, which nothing reads", replace->path,
                          replace->most >> 20);
    path = mem_printf("%s.XXXXXX", replace->path);
    fd = mkostemp(path, O_CLOEXEC);

    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of write(2) */

    if (fd < 0) {
        error = wrong_with(path);
    } else if (write_new(replace, fd, text) != 0 || rename(path, replace->path) != 0) {
        error = wrong_with(replace->path);
        unlink(path);
    } else {
        fsync(replace->directory);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return error;
}

void replace_file_end(struct replace_file *replace)
{
    if (replace->directory >= 0)
        close(replace->directory); /* and so ends the lock */
    free(replace->path);
    free(replace->text);
    *replace = (struct replace_file){.directory = -1};
}

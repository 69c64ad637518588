/* Records of remote forwards, as files. */
#include "keeper/forward_records.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Of a record, in bytes: it has two paths of sockets and a number. adit writes no longer one. */
#define RECORD_MAX 1024

#define SUFFIX ".of"

void forward_record_clear(struct forward_record *record)
{
    free(record->master);
    free(record->bind);
    *record = (struct forward_record){0};
}

/* The text of a locked file; false: errno. */
static bool write_text(int fd, const struct forward_record *record)
{
    char *text =
        mem_printf("%s\n%s\n%lu\n", record->master, record->bind, (unsigned long)record->port);
    size_t length = strlen(text);
    bool written = false;

    errno = ENAMETOOLONG;
    if (length < RECORD_MAX && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        errno = ENOSPC; /* (of a part) */
        written = write(fd, text, length) == (ssize_t)length;
    }

    free(text);
    return written;
}

static bool is_locked(const char *name)
{
    int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;

    if (fd >= 0)
        close(fd);
    return locked;
}

/* Of a record as long as it has no name; false: errno. */
static bool give_name(int fd, const struct forward_record *record, const char *fresh,
                      const char *name)
{
    if (!write_text(fd, record))
        return false;
    if (!is_locked(name))
        return rename(fresh, name) == 0;
    errno = EADDRINUSE;
    return false;
}

/* (It gets its name once it is locked and whole.) */
int forward_record_write(const struct forward_record *record, const char *path)
{
    char *name = mem_printf("%s" SUFFIX, path);
    char *fresh = mem_printf("%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = 0;

    if (fd >= 0 && !give_name(fd, record, fresh, name)) {
        error = errno;
        close(fd);
        unlink(fresh);
        errno = error;
        fd = -1;
    }
    free(fresh);
    free(name);
    return fd;
}

void forward_record_remove(const char *path)
{
    char *name = mem_printf("%s" SUFFIX, path);

    unlink(name);
    free(name);
}

/* The next line of the text, as a copy; NULL: there is none. */
static char *record_line(char **text)
{
    char *end = strchr(*text, '\n');
    char *line = end != NULL ? mem_strndup(*text, (size_t)(end - *text)) : NULL;

    if (end != NULL)
        *text = end + 1;
    return line;
}

static bool read_record(int fd, struct forward_record *record)
{
    char text[RECORD_MAX + 1] = "";
    char *rest = text;
    char *port;

    if (read(fd, text, RECORD_MAX) <= 0)
        return false;
    record->master = record_line(&rest);
    record->bind = record_line(&rest);
    port = record_line(&rest);
    if (port != NULL)
        record->port = (uint32_t)strtoul(port, NULL, 10);
    free(port);
    return port != NULL && record->master != NULL && record->bind != NULL;
}

static void take_record(const char *path, forward_record_fn *each, void *arg)
{
    struct forward_record record = {0};
    char *name = mem_printf("%s" SUFFIX, path);
    int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        if (!read_record(fd, &record) || each(arg, &record, path)) {
            unlink(path);
            unlink(name);
        }
    }
    if (fd >= 0)
        close(fd);
    forward_record_clear(&record);
    free(name);
}

void forward_records_take(const char *directory, forward_record_fn *each, void *arg)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;

    /* (Nobody else has the stream: readdir(3), ATTRIBUTES.) */
    // cppcheck-suppress readdirCalled
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t length = strlen(entry->d_name);
        char *path;
        if (length <= strlen(SUFFIX) ||
            strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) != 0)
            continue;
        path = mem_printf("%s/%.*s", directory, (int)(length - strlen(SUFFIX)), entry->d_name);
        take_record(path, each, arg);
        free(path);
    }
    if (dir != NULL)
        closedir(dir);
}

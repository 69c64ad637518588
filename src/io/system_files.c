/* Descriptors in the place of names: proc_pid_fd(5). A file in memory can be opened so, whatever
 * Landlock forbids (landlock(7): it is below no mount that has a path). */
#include "io/system_files.h"

#include "base/buffer.h"
#include "io/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[SYSTEM_FILES] = {
    [SYSTEM_FILE_HOSTS] = "/etc/hosts",
    [SYSTEM_FILE_RESOLV_CONF] = "/etc/resolv.conf",
};

static struct {
    int fd;
    char path[32];
    bool is_copy;
    struct stat origin; /* of the file that had the name then; zero: there was none */
} held[SYSTEM_FILES];

static bool are_held;

static int open_system_file(enum system_file file)
{
    return open(names[file], O_RDONLY | O_CLOEXEC);
}

static struct stat origin_of(enum system_file file)
{
    struct stat origin;

    return stat(names[file], &origin) == 0 ? origin : (struct stat){0};
}

void system_files_hold(void)
{
    for (enum system_file file = 0; file < SYSTEM_FILES; file++) {
        held[file].fd = open_system_file(file);
        if (held[file].fd < 0)
            held[file].fd = memory_file_new(names[file], "", 0);
        if (held[file].fd < 0)
            return;
        held[file].origin = origin_of(file);
        snprintf(held[file].path, sizeof(held[file].path), "/proc/self/fd/%d", held[file].fd);
    }
    setenv("CARES_HOSTS", held[SYSTEM_FILE_HOSTS].path, 1);
    are_held = true;
}

bool system_files_are_held(void)
{
    return are_held;
}

const char *system_file_path(enum system_file file)
{
    return held[file].path;
}

void system_file_renew(enum system_file file, int copy)
{
    int fd = open_system_file(file);

    if (!are_held || (fd < 0 && copy < 0))
        return;
    held[file].origin = origin_of(file);
    held[file].is_copy = fd < 0;
    dup3(fd >= 0 ? fd : copy, held[file].fd, O_CLOEXEC);
    if (fd >= 0)
        close(fd);
}

/* (A copy does not change with its file.) */
static bool is_replaced(enum system_file file)
{
    const struct stat now = origin_of(file);
    const struct stat *then = &held[file].origin;

    return now.st_dev != then->st_dev || now.st_ino != then->st_ino ||
           (held[file].is_copy &&
            (now.st_size != then->st_size || now.st_mtim.tv_sec != then->st_mtim.tv_sec ||
             now.st_mtim.tv_nsec != then->st_mtim.tv_nsec));
}

const char *system_file_replaced(void)
{
    for (enum system_file file = 0; are_held && file < SYSTEM_FILES; file++)
        if (is_replaced(file))
            return names[file];
    return NULL;
}

int system_file_copy(enum system_file file)
{
    struct buffer bytes = {0};
    int fd = open_system_file(file);
    int copy = -1;

    if (fd < 0)
        return errno == ENOENT ? memory_file_new(names[file], "", 0) : -1;
    if (memory_file_bytes(fd, &bytes))
        copy = memory_file_new(names[file], buffer_data(&bytes), buffer_length(&bytes));
    buffer_clear(&bytes);
    close(fd);
    return copy;
}

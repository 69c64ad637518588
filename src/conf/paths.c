/* File names with a home directory in them, and reading files. */
#include "conf/paths.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *home_directory(void)
{
    const char *home = getenv("HOME");
    char strings[4096];
    struct passwd entry;

    if (!home || home[0] != '/') {
        struct passwd *user = NULL;
        getpwuid_r(getuid(), &entry, strings, sizeof(strings), &user);
        home = user && user->pw_dir && user->pw_dir[0] == '/' ? user->pw_dir : "";
    }
    size_t length = strlen(home);
    while (length > 0 && home[length - 1] == '/')
        length--;
    return mem_strndup(home, length);
}

char *path_expand(const char *text)
{
    if (text[0] != '~')
        return mem_strdup(text);
    if (text[1] != '/')
        return NULL;
    char *home = home_directory();
    char *path = mem_printf("%s%s", home, text + 1);
    free(home);
    return path;
}

char *path_contract(const char *path)
{
    char *home = home_directory();
    size_t length = strlen(home);
    bool below = length > 0 && strncmp(path, home, length) == 0 && path[length] == '/';

    free(home);
    return below ? mem_printf("~%s", path + length) : mem_strdup(path);
}

bool path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

const char *path_unreadable(const char *path)
{
    struct stat status;

    if (access(path, R_OK) != 0 || stat(path, &status) != 0)
        return strerror(errno);
    return S_ISDIR(status.st_mode) ? strerror(EISDIR) : NULL;
}

/* Reads to the end, or to more than `max` bytes. */
static const char *read_all(int fd, size_t max, struct buffer *bytes)
{
    ssize_t got;

    do {
        got = read(fd, buffer_reserve(bytes, 4096), 4096);
        if (got > 0)
            buffer_commit(bytes, (size_t)got);
        if (buffer_length(bytes) > max)
            return strerror(EFBIG);
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? strerror(errno) : NULL;
}

const char *file_read(const char *path, size_t max, bool regular_only, struct buffer *bytes)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | (regular_only ? O_NONBLOCK : 0));

    if (fd < 0)
        return strerror(errno);
    const char *wrong;
    if (fstat(fd, &status) != 0)
        wrong = strerror(errno);
    else if (regular_only && !S_ISREG(status.st_mode))
        wrong = S_ISDIR(status.st_mode) ? strerror(EISDIR) : "Not a regular file";
    else
        wrong = read_all(fd, max, bytes);
    close(fd);
    return wrong;
}

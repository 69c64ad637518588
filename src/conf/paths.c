/* File names with a home directory in them. */
#include "conf/paths.h"

#include "base/mem.h"

#include <errno.h>
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
        if (getpwuid_r(getuid(), &entry, strings, sizeof(strings), &user) != 0)
            user = NULL;
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

/* The paths of tunnels' control sockets. */
#include "conf/tunnel_socket.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST_SHOWN 60 /* bytes of the host: a socket's path has 107 at most (unix(7)) */
#define SUFFIX 6

/* A directory that is this user's, and which others cannot write to. */
static bool is_own_directory(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The directory that the one of adit lies in; NULL: there is none. */
static const char *runtime_directory(void)
{
    const char *directory = getenv("XDG_RUNTIME_DIR");

    if (directory == NULL || *directory == '\0')
        return geteuid() == 0 ? "/run" : NULL;
    return directory[0] == '/' && is_own_directory(directory) ? directory : NULL;
}

char *tunnel_socket_directory(void)
{
    const char *runtime = runtime_directory();
    char *directory = runtime != NULL ? mem_printf("%s/adit", runtime) : NULL;

    if (directory != NULL && is_own_directory(directory))
        return directory;
    free(directory);
    return NULL;
}

static void make_directory(void)
{
    const char *runtime = runtime_directory();
    char *directory;

    if (runtime == NULL)
        return;
    directory = mem_printf("%s/adit", runtime);
    mkdir(directory, S_IRWXU);
    free(directory);
}

char *private_directory(bool make)
{
    char *directory;

    if (make)
        make_directory();
    directory = tunnel_socket_directory();
    if (directory != NULL)
        return directory;
    directory = mem_printf("/tmp/adit-%u", (unsigned)geteuid());
    if (make)
        mkdir(directory, S_IRWXU);
    if (is_own_directory(directory))
        return directory;
    free(directory);
    return NULL;
}

/* The host as a part of a file's name; the caller frees. */
static char *shown_host(const char *host)
{
    char *shown = mem_strndup(host, strnlen(host, HOST_SHOWN));

    for (char *c = shown; *c != '\0'; c++)
        if (*c == '/')
            *c = '_';
    return shown;
}

/* False: there are no random bytes. */
static bool make_suffix(char suffix[static SUFFIX + 1])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32 */
    uint8_t bytes[SUFFIX];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return false;
    for (size_t i = 0; i < SUFFIX; i++)
        suffix[i] = letters[bytes[i] % 32];
    suffix[SUFFIX] = '\0';
    return true;
}

char *tunnel_socket_new(const char *host)
{
    char suffix[SUFFIX + 1];
    char *directory;
    char *shown;
    char *path;

    make_directory();
    directory = tunnel_socket_directory();
    if (directory == NULL || !make_suffix(suffix)) {
        free(directory);
        return NULL;
    }
    shown = shown_host(host);
    path = mem_printf("%s/%s.%s", directory, shown, suffix);
    free(shown);
    free(directory);
    return path;
}

bool tunnel_socket_is_of(const char *name, const char *host)
{
    const char *dot = strrchr(name, '.');
    char *shown;
    bool same;

    if (dot == NULL || dot == name || strlen(dot + 1) != SUFFIX)
        return false;
    if (host == NULL)
        return true;
    shown = shown_host(host);
    same = strlen(shown) == (size_t)(dot - name) && strncmp(name, shown, strlen(shown)) == 0;
    free(shown);
    return same;
}

/* The folder that has the sockets of masters, which no other user can enter. Its keeper holds a
 * lock of it (flock(2)), so that a later keeper of the same user knows one that was left by a
 * keeper that was killed, and removes it. (systemd-tmpfiles(8) leaves alone what is locked.) */
#include "keeper/master_parts.h"

#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_NAME "adit-ssh-"
#define FOLDER_NAME_LENGTH 15 /* with what mkdtemp(3) adds */

/* Of its path: ssh makes the socket under a name that is 17 longer, and a socket's path has room
 * for 107. */
#define FOLDER_MAX 76

/* How often a folder is made anew, as another keeper has removed it before it was locked. */
#define FOLDER_TRIES 8

/* Whether nobody but this user and root can rename what is made there, and ssh takes its path for
 * what it is: in a ControlPath '%' and "${" begin something else (ssh_config(5), TOKENS). */
static bool may_hold_folder(const char *place)
{
    struct stat status;

    return place != NULL && place[0] == '/' && strlen(place) < FOLDER_MAX - FOLDER_NAME_LENGTH &&
           place[strcspn(place, "%$")] == '\0' && stat(place, &status) == 0 &&
           (status.st_uid == geteuid() || status.st_uid == 0) &&
           ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & S_ISVTX) != 0);
}

static bool is_ours_alone(const struct stat *status)
{
    return S_ISDIR(status->st_mode) && status->st_uid == geteuid() &&
           (status->st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* Locks a folder. 0, or why it is not ours now: an error number. */
static int lock_wrong(int fd)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && !is_ours_alone(&status))
        return EPERM;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &status) != 0)
        return errno;
    return status.st_nlink == 0 ? ENOENT : 0;
}

/* A descriptor that holds its lock; -1: errno. (ENOENT, EWOULDBLOCK: another keeper has removed it,
 * or has it.) */
static int lock_folder(int place, const char *name)
{
    int fd = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error;

    if (fd < 0)
        return -1;
    error = lock_wrong(fd);
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static void close_lock(int *lock)
{
    if (*lock >= 0)
        close(*lock);
    *lock = -1;
}

/* Removes a folder, and the sockets in it: whatever else is there stays, and so does the folder. */
static void remove_left(int place, const char *name, int folder)
{
    DIR *listing = fdopendir(fcntl(folder, F_DUPFD_CLOEXEC, 0));
    const struct dirent *entry;
    struct stat status;

    /* (Nobody else has the stream: readdir(3), ATTRIBUTES.) */
    // cppcheck-suppress readdirCalled
    while (listing != NULL && (entry = readdir(listing)) != NULL)
        if (fstatat(folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISSOCK(status.st_mode))
            unlinkat(folder, entry->d_name, 0);
    if (listing != NULL)
        closedir(listing);
    if (unlinkat(place, name, AT_REMOVEDIR) == 0)
        log_info("%s is removed: it was left by an adit that was killed", name);
}

/* Removes what keepers that were killed have left there. */
static void sweep(const char *place)
{
    DIR *listing = opendir(place);
    const struct dirent *entry;

    /* (Nobody else has the stream: readdir(3), ATTRIBUTES.) */
    // cppcheck-suppress readdirCalled
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        int folder;
        if (strncmp(entry->d_name, FOLDER_NAME, strlen(FOLDER_NAME)) != 0 ||
            strlen(entry->d_name) != FOLDER_NAME_LENGTH)
            continue;
        folder = lock_folder(dirfd(listing), entry->d_name);
        if (folder < 0)
            continue;
        remove_left(dirfd(listing), entry->d_name, folder);
        close(folder);
    }
    if (listing != NULL)
        closedir(listing);
}

/* (What cleans temporary folders may have removed it while no ssh ran.) */
static const char *renew_folder(struct keeper_masters *all)
{
    struct stat status;

    if (lstat(all->folder, &status) == 0)
        return is_ours_alone(&status)
                   ? NULL
                   : "the folder for its socket has been replaced by somebody: restart adit";
    if (mkdir(all->folder, S_IRWXU) != 0)
        return strerror(errno);
    close_lock(&all->folder_lock);
    all->folder_lock = lock_folder(AT_FDCWD, all->folder);
    return NULL;
}

/* (A file system that has no locks: nobody removes the folder there.) False: errno. */
static bool make_folder_at(struct keeper_masters *all, const char *place)
{
    for (unsigned i = 0; i < FOLDER_TRIES; i++) {
        char *path = mem_printf("%s/" FOLDER_NAME "XXXXXX", place);
        bool made = mkdtemp(path) != NULL;
        int error = errno;
        if (made) {
            all->folder_lock = lock_folder(AT_FDCWD, path);
            if (all->folder_lock >= 0 || (errno != ENOENT && errno != EWOULDBLOCK)) {
                all->folder = path;
                return true;
            }
        }
        free(path);
        errno = error;
        if (!made)
            return false;
    }
    return false;
}

const char *masters_make_folder(struct keeper_masters *all)
{
    const char *const places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

    if (all->folder != NULL)
        return renew_folder(all);
    errno = EACCES;
    for (size_t i = 0; all->folder == NULL && i < sizeof(places) / sizeof(places[0]); i++)
        if (may_hold_folder(places[i]) && make_folder_at(all, places[i]))
            sweep(places[i]);
    return all->folder != NULL ? NULL : strerror(errno);
}

void masters_adopt_folder(struct keeper_masters *all, char *path, int lock)
{
    all->folder = path;
    all->folder_lock = lock >= 0 ? lock : lock_folder(AT_FDCWD, path);
}

void masters_remove_folder(struct keeper_masters *all)
{
    if (all->folder != NULL)
        rmdir(all->folder);
    close_lock(&all->folder_lock);
    free(all->folder);
    all->folder = NULL;
}

/* The folder that has the sockets of masters, which no other user can enter. */
#include "keeper/master_parts.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of its path: ssh makes the socket under a name that is 17 longer, and a socket's path has room
 * for 107. */
#define FOLDER_MAX 76

/* Whether nobody but this user and root can rename what is made there, and ssh takes its path for
 * what it is: in a ControlPath '%' and "${" begin something else (ssh_config(5), TOKENS). */
static bool may_hold_folder(const char *place)
{
    struct stat status;

    return place != NULL && place[0] == '/' && strlen(place) <= FOLDER_MAX - 12 &&
           place[strcspn(place, "%$")] == '\0' && stat(place, &status) == 0 &&
           (status.st_uid == geteuid() || status.st_uid == 0) &&
           ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & S_ISVTX) != 0);
}

/* (What cleans temporary folders may have removed it while no ssh ran.) */
static const char *renew_folder(const char *path)
{
    struct stat status;

    if (lstat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
            (status.st_mode & (S_IRWXG | S_IRWXO)) == 0)
            return NULL;
        return "the folder for its socket has been replaced by somebody: restart adit";
    }
    return mkdir(path, S_IRWXU) == 0 ? NULL : strerror(errno);
}

const char *masters_make_folder(struct keeper_masters *all)
{
    const char *const places[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

    if (all->folder != NULL)
        return renew_folder(all->folder);
    errno = EACCES;
    for (size_t i = 0; all->folder == NULL && i < sizeof(places) / sizeof(places[0]); i++) {
        char *path;
        if (!may_hold_folder(places[i]))
            continue;
        path = mem_printf("%s/adit-XXXXXX", places[i]);
        if (mkdtemp(path) != NULL)
            all->folder = path;
        else
            free(path);
    }
    return all->folder != NULL ? NULL : strerror(errno);
}

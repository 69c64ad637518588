/* posix_spawn(3) of /proc/self/exe. */
#include "io/own_program.h"

#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* 0 or an error of errno(3). */
static int spawn_own(const char *path, char *const argv[], char *const environment[], int fd,
                     pid_t *child)
{
    posix_spawn_file_actions_t actions;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, OWN_PROGRAM_FD);
    posix_spawn_file_actions_addclosefrom_np(&actions, OWN_PROGRAM_FD + 1);
    error = posix_spawn(child, path, &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

pid_t own_program_start(char *const argv[], char *const environment[], int fd)
{
    pid_t child = -1;
    int error = spawn_own("/proc/self/exe", argv, environment, fd, &child);

    /* (Where there is no /proc: by the name that this process was executed by.) */
    if (error == ENOENT)
        error = spawn_own((const char *)getauxval(AT_EXECFN), argv, environment, fd, &child);
    errno = error;
    return error == 0 ? child : -1;
}

char *own_program_path(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path));

    return length > 0 && length < (ssize_t)sizeof(path) ? mem_strndup(path, (size_t)length) : NULL;
}

char *own_program_name_for_others(void)
{
    char *path = own_program_path();
    struct stat ours, there;

    if (path != NULL && stat("/proc/self/exe", &ours) == 0 && stat(path, &there) == 0 &&
        ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
        return path;
    free(path);
    return mem_printf("/proc/%d/exe", (int)getpid());
}

int own_program_replace(const char *path, char *const argv[])
{
    execv(path, argv);
    return errno;
}

void own_program_kill(pid_t child)
{
    if (child > 0) /* (others are not one process) */
        kill(child, SIGKILL);
}

int own_program_reap(pid_t child)
{
    int status = 0;

    own_program_kill(child);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

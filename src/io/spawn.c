/* posix_spawn(3). */
#include "io/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

static void prepare_streams(posix_spawn_file_actions_t *actions,
                            const struct spawn_request *request)
{
    if (request->fds[STDIN_FILENO] < 0)
        posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (request->fds[i] >= 0)
            posix_spawn_file_actions_adddup2(actions, request->fds[i], i);
    if (request->errors_to_output)
        posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static void prepare_attributes(posix_spawnattr_t *attributes, const struct spawn_request *request)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                 (request->own_group ? POSIX_SPAWN_SETPGROUP : 0) |
                                                 (request->own_session ? POSIX_SPAWN_SETSID : 0)));
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
}

int spawn_start(const struct spawn_request *request, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    posix_spawnattr_init(&attributes);
    prepare_attributes(&attributes, request);
    posix_spawn_file_actions_init(&actions);
    prepare_streams(&actions, request);
    error = posix_spawnp(pid, request->arguments[0], &actions, &attributes,
                         (char *const *)request->arguments,
                         request->environment != NULL ? request->environment : environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

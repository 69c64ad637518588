/* What the keeper answers about a ProxyCommand. */
#include "gateway/dial_command.h"

#include "base/mem.h"
#include "io/pump.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct dial_command {
    struct service_request *request; /* NULL: it has ended */
    dial_command_started_fn *started;
    void *arg;
    bool has_started;
    char ended[40]; /* how it ended; "": it runs */
};

/* Joins the ends of the command's input and output, which are taken over, to one descriptor; -1:
 * errno. */
static int join_pipes(const int pipes[static 2])
{
    int ends[2];
    int back;

    if (!socket_pair(true, ends)) {
        close(pipes[0]);
        close(pipes[1]);
        return -1;
    }
    back = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    /* (Where a pump cannot start the connection ends at once, and the dial fails.) */
    if (!pump_start(pipes[1], back, NULL) || !pump_start(ends[1], pipes[0], NULL))
        socket_shutdown(ends[0]);
    return ends[0];
}

static void on_command_answered(void *arg, const struct service_answer *answer)
{
    struct dial_command *command = arg;

    if (answer->kind == SERVICE_OUTPUT) {
        int fd = join_pipes(answer->fds);
        command->has_started = true;
        command->started(command->arg, fd, errno);
        return;
    }
    command->request = NULL;
    if (answer->kind != SERVICE_EXITED) {
        if (!command->has_started)
            command->started(command->arg, -1, (int)answer->numbers[0]);
        return;
    }
    if (answer->numbers[1] != 0)
        snprintf(command->ended, sizeof(command->ended), "killed by signal %u", answer->numbers[1]);
    else
        snprintf(command->ended, sizeof(command->ended), "exited with status %u",
                 answer->numbers[0]);
}

struct dial_command *dial_command_start(struct service *service, const char *upstream,
                                        const char *host, dial_command_started_fn *started,
                                        void *arg)
{
    struct dial_command *command = mem_zalloc(sizeof(*command));

    command->started = started;
    command->arg = arg;
    command->request = service_ask(
        service, &(struct service_question){.kind = SERVICE_COMMAND, .texts = {upstream, host}},
        on_command_answered, command);
    return command;
}

const char *dial_command_ended(const struct dial_command *command)
{
    return command->ended[0] != '\0' ? command->ended : NULL;
}

void dial_command_hang_up(struct dial_command *command)
{
    if (command != NULL)
        service_forget(command->request);
    free(command);
}

void dial_command_leave(struct dial_command *command)
{
    if (command != NULL)
        service_leave(command->request);
    free(command);
}

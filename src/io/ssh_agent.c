/* ssh-agent(1) with a program of ours as its command. */
#include "io/ssh_agent.h"

#include "base/mem.h"
#include "io/spawn.h"
#include "io/subprocess.h"
#include "io/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 10000 /* on a machine that has much else to do */

#define LINE_MAX_BYTES 512

/* (The agent itself has no descriptor of ours, as it opens /dev/null in their place.) */
static const char *const arguments[] = {"ssh-agent", "sh", "-c",
                                        "echo \"$SSH_AUTH_SOCK $SSH_AGENT_PID\" && exec cat", NULL};

bool ssh_agent_is_there(void)
{
    return program_is_there("ssh-agent") && program_is_there("ssh-add");
}

/* 0 or an error of errno(3). A session of its own keeps the terminal's signals away. */
static int spawn_agent(int input, int output, pid_t *pid)
{
    return spawn_start(&(struct spawn_request){.arguments = arguments,
                                               .fds = {input, output, output},
                                               .own_session = true},
                       pid);
}

/* Reads the line that the program prints first. */
static bool read_line(int fd, char line[static LINE_MAX_BYTES])
{
    struct wait_limit limit = wait_limit(-1, START_MS);
    size_t length = 0;

    line[0] = '\0';
    while (length < LINE_MAX_BYTES - 1 && memchr(line, '\n', length) == NULL) {
        ssize_t n;
        if (wait_for(fd, POLLIN, &limit) != 0)
            break;
        n = read(fd, line + length, LINE_MAX_BYTES - 1 - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    line[length] = '\0';
    return length > 0 && line[length - 1] == '\n';
}

/* "PATH PROCESS": the process stands behind the last space. */
static bool parse_line(struct ssh_agent *agent, char *line)
{
    char *space = strrchr(line, ' ');
    char *end;
    long pid;

    if (line[0] != '/' || space == NULL)
        return false;
    pid = strtol(space + 1, &end, 10);
    if (end == space + 1 || *end != '\n' || end[1] != '\0' || pid <= 1)
        return false;
    agent->agent = (pid_t)pid;
    agent->socket = mem_strndup(line, (size_t)(space - line));
    return true;
}

static char *start_between(struct ssh_agent *agent, const int input[2], const int output[2])
{
    char line[LINE_MAX_BYTES];
    int error = spawn_agent(input[0], output[1], &agent->holder);

    close(input[0]);
    close(output[1]);
    agent->hold = input[1];
    if (error != 0)
        return mem_printf("ssh-agent cannot be run: %s", strerror(error));
    if (read_line(output[0], line) && parse_line(agent, line))
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return mem_printf("ssh-agent does not start: %s", line[0] != '\0' ? line : "it says nothing");
}

char *ssh_agent_start(struct ssh_agent *agent)
{
    int input[2], output[2];
    char *problem;

    *agent = (struct ssh_agent){.agent = -1, .holder = -1, .hold = -1};
    if (pipe2(input, O_CLOEXEC) != 0)
        return mem_strdup(strerror(errno));
    if (pipe2(output, O_CLOEXEC) != 0) {
        problem = mem_strdup(strerror(errno));
        close(input[0]);
        close(input[1]);
        return problem;
    }
    problem = start_between(agent, input, output);
    close(output[0]);
    if (problem != NULL)
        ssh_agent_end(agent);
    return problem;
}

void ssh_agent_end(struct ssh_agent *agent)
{
    int status;

    /* (The agent is a child of the program that holds it, which waits for none: its number is no
     * other process's before that program has ended.) */
    if (agent->agent > 1)
        kill(agent->agent, SIGTERM);
    if (agent->hold >= 0)
        close(agent->hold);
    if (agent->holder > 0) {
        kill(agent->holder, SIGTERM);
        while (waitpid(agent->holder, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    free(agent->socket);
    *agent = (struct ssh_agent){.agent = -1, .holder = -1, .hold = -1};
}

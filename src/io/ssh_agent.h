/* An ssh-agent(1) of this process's own: its start and its end. It ends with this process, also if
 * that is killed: the agent runs for as long as a program does that reads a pipe, of which this
 * process has the other end. (PR_SET_PDEATHSIG would not do: the kernel clears it for a program
 * that is set-group-ID, as ssh-agent(1) is on Debian.) The agent looks for that program every 10 s,
 * and then removes its socket and the directory of the socket. For threads that may block. */
#ifndef ADIT_IO_SSH_AGENT_H
#define ADIT_IO_SSH_AGENT_H

#include <stdbool.h>
#include <sys/types.h>

struct ssh_agent {
    char *socket; /* the path, in a directory of mode 0700 that the agent has made */
    pid_t agent;
    pid_t holder; /* the program with the other end of the pipe; the agent's parent, our child */
    int hold;     /* this process's end of the pipe, close-on-exec */
};

/* Whether ssh-agent and ssh-add are in PATH. Any thread. */
bool ssh_agent_is_there(void);

/* Starts an agent with no keys. NULL, or why there is none, which the caller frees. */
char *ssh_agent_start(struct ssh_agent *agent);

/* Ends it: it forgets its keys, and its socket is removed. */
void ssh_agent_end(struct ssh_agent *agent);

#endif

/* Messages to and from an ssh-agent(1), each a uint32 with its length and the bytes
 * (draft-miller-ssh-agent section 4), for threads that may block. */
#ifndef ADIT_IO_AGENT_CONNECTION_H
#define ADIT_IO_AGENT_CONNECTION_H

#include "base/ssh_bytes.h"
#include "io/wait.h"

#include <stdbool.h>
#include <stddef.h>

/* Receives a message of 1 to `max` bytes in place of what `message` held, which the caller clears
 * in each case. False: the other side has ended or sent no message, or the limit was reached. */
bool agent_receive(int fd, const struct wait_limit *limit, size_t max, struct buffer *message);

/* Sends a message, in one piece. False: the other side has ended, or the limit was reached. */
bool agent_send(int fd, const struct wait_limit *limit, struct span message);

#endif

/* Waiting for the end of what another process does for this one. For a process without threads. */
#ifndef ADIT_CONTROL_WAIT_END_H
#define ADIT_CONTROL_WAIT_END_H

#include <stdbool.h>

/* Waits until the socket can be read, as it can when the other side has closed it, or until SIGHUP,
 * SIGINT or SIGTERM comes. True: a signal came. The signals stay blocked, with a handler. */
bool wait_for_end(int fd);

#endif

/* The exit statuses of the process besides 0: those of sysexits.h, and that of ssh(1) for whatever
 * goes wrong with a connection. */
#ifndef ADIT_BASE_EXIT_STATUS_H
#define ADIT_BASE_EXIT_STATUS_H

#include <sysexits.h>

/* ssh(1), EXIT STATUS. */
#define EXIT_SSH 255

#endif

/* What the process ends with besides 0: sysexits.h's, and ssh's own for all that goes wrong with a
 * connection. */
#ifndef ADIT_BASE_EXIT_STATUS_H
#define ADIT_BASE_EXIT_STATUS_H

#include <sysexits.h>

/* ssh(1), EXIT STATUS. */
#define EXIT_SSH 255

#endif

/* The client of `adit -O watch`. It blocks; main.c's process without other threads calls it. */
#ifndef ADIT_CONTROL_WATCH_ORDER_H
#define ADIT_CONTROL_WATCH_ORDER_H

#include <jansson.h>

struct buffer;

/* Prints the lines that come by `fd`, of which `received` has the first bytes, until the adit there
 * has ended, standard output is closed, or a signal ends this process. The exit status. */
int watch_print(int fd, struct buffer *received);

#endif

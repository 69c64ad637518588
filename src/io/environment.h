/* Environments of programs. Any thread, as this process does not change its own. */
#ifndef ADIT_IO_ENVIRONMENT_H
#define ADIT_IO_ENVIRONMENT_H

#include <stddef.h>

/* This process's environment with `count` variables, "NAME=value" each, in it or in the place of
 * those that it has; ends with NULL (environ(7)). The caller frees the array; its texts are those
 * of the two. */
const char **environment_with(const char *const *ours, size_t count);

#endif

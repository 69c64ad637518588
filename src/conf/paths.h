/* File names as the configuration writes them. */
#ifndef ADIT_CONF_PATHS_H
#define ADIT_CONF_PATHS_H

#include <stdbool.h>

/* The home directory ($HOME, else the passwd entry's) without a slash at its end: "" for the root
 * directory, or if there is none. The caller frees. */
char *home_directory(void);

/* "~/x" as "x" in the home directory; any other name as it is.
 * NULL for "~name", which means nothing here. The caller frees. */
char *path_expand(const char *text);

/* The other way: "~/x" for a file below the home directory. The caller frees. */
char *path_contract(const char *path);

/* Whether there is anything of that name. */
bool path_exists(const char *path);

/* What keeps this process from reading the file (a string that need not be freed), or NULL:
 * nothing. */
const char *path_unreadable(const char *path);

#endif

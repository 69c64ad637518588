/* Lists of files in ssh_config(5), as ssh -G prints them. */
#ifndef ADIT_CONF_SSH_PATHS_H
#define ADIT_CONF_SSH_PATHS_H

#include "conf/ssh_tokens.h"

/* The paths of UserKnownHostsFile or GlobalKnownHostsFile, expanded, as the value of a key that
 * takes several files. NULL: there are none (`value` is NULL, or "none"). Without `tokens` a '%' is
 * one of a name. A path that cannot be expanded is left as it is: the file could hold a revocation.
 * The caller frees. */
char *ssh_paths_list(const char *value, const struct ssh_tokens *tokens);

#endif

/* The first field of a line of known_hosts: the names that the line is about. Only for
 * policy/known_hosts. */
#ifndef ADIT_POLICY_KNOWN_NAMES_H
#define ADIT_POLICY_KNOWN_NAMES_H

#include "policy/known_hosts.h"

/* Whether a line with these names (no NUL needed) is about the name: a comma list of patterns, of
 * which one has to match and none that begins with "!", letters in either case, as match_hostname()
 * of OpenSSH does; or a hash of the name as it is given. */
bool known_names_match(const char *names, size_t length, const char *name);

/* "|1|SALT|HASH" of a name; the caller frees. */
char *known_names_hash(const uint8_t salt[static KNOWN_HOSTS_SALT_LENGTH], const char *name);

#endif

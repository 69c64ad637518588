/* Whether a password's hash can be verified in a time that a login may take. Pure; any thread. */
#ifndef ADIT_POLICY_HASH_COST_H
#define ADIT_POLICY_HASH_COST_H

#include <stdbool.h>

/* Whether verifying a hash of crypt(5) takes seconds at most: crypt(3) takes whatever cost the hash
 * names, up to weeks, and cannot be ended. The bounds are the largest costs that crypt_gensalt(3)
 * makes of its own scale, for bcrypt those of htpasswd(1), and 2,000,000 rounds where a hash says
 * its rounds. `hash` is one of the methods of policy/users.c. */
bool hash_cost_is_bearable(const char *hash);

#endif

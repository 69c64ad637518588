/* What a server's prompt asks for (keyboard-interactive, RFC 4256 section 3.2). Pure; any thread.
 */
#ifndef ADIT_POLICY_PASSWORD_PROMPT_H
#define ADIT_POLICY_PASSWORD_PROMPT_H

#include <stdbool.h>

/* Whether the prompt asks for the password proper, which stays the same from login to login; not
 * for a code or a one-time password. */
bool password_prompt_is(const char *prompt);

#endif

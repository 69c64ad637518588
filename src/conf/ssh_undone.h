/* Keywords of ssh_config(5) that would change what a tunnel is, and that adit does not follow. */
#ifndef ADIT_CONF_SSH_UNDONE_H
#define ADIT_CONF_SSH_UNDONE_H

#include "conf/ssh_answer.h"

/* Called with a line without an end. `by_ssh` is the keyword of what an ssh(1) that carries the
 * sessions (engine = openssh) does, as ssh -G prints it; NULL: it does not, either. */
typedef void ssh_undone_fn(void *arg, const char *text, const char *by_ssh);

/* Calls `each` for every such keyword of which the answer has another value than the usual one.
 * `usual` is ssh's answer where nothing is configured; NULL: not known. */
void ssh_undone_each(const struct ssh_answer *answer, const struct ssh_answer *usual,
                     ssh_undone_fn *each, void *arg);

#endif

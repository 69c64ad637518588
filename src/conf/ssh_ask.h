/* Asking the machine's ssh what it would do: ssh -G. */
#ifndef ADIT_CONF_SSH_ASK_H
#define ADIT_CONF_SSH_ASK_H

#include <stddef.h>

enum ssh_ask_outcome {
    SSH_ANSWERED, /* `text` has what ssh printed, `said` its warnings */
    SSH_REFUSED,  /* `said` has why, in ssh's words */
    SSH_ABSENT,   /* there is no ssh on this machine */
};

/* Strings are never NULL, and the caller's to clear. */
struct ssh_reply {
    char *text;
    char *said; /* without a line's end at its end */
};

/* Runs `ssh -G -T WORDS -- HOST` from PATH, without a shell, and waits for it, 30 seconds at most.
 */
enum ssh_ask_outcome ssh_ask(const char *const *words, size_t count, const char *host,
                             struct ssh_reply *reply);
void ssh_reply_clear(struct ssh_reply *reply);

#endif

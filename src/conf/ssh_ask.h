/* Asking the machine's ssh what it would do: ssh -G. */
#ifndef ADIT_CONF_SSH_ASK_H
#define ADIT_CONF_SSH_ASK_H

#include <stddef.h>

enum ssh_ask_outcome {
    SSH_ANSWERED, /* `text` is what ssh printed, `said` are its warnings */
    SSH_REFUSED,  /* `said` is why, in ssh's words */
    SSH_ABSENT,   /* there is no ssh on this machine */
};

/* Strings are never NULL, and the caller's to clear. */
struct ssh_reply {
    char *text;
    char *said; /* without a line's end at its end */
};

struct ssh_question {
    const char *const *words; /* options of ssh(1) */
    size_t count;
    const char *host;
    /* A socket: when it is shut down, by either side, ssh is ended and has SSH_REFUSED. -1: none.
     */
    int connection;
};

/* Runs `ssh -G -T WORDS -- HOST` from PATH, without a shell, and waits for it, 30 seconds at most.
 * Any thread that may block. */
enum ssh_ask_outcome ssh_ask(const struct ssh_question *question, struct ssh_reply *reply);
void ssh_reply_clear(struct ssh_reply *reply);

#endif

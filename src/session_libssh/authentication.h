/* One run through the methods of RFC 4252, and what they share. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_AUTHENTICATION_H
#define ADIT_SESSION_LIBSSH_AUTHENTICATION_H

#include "session_libssh/handshake.h"

struct authentication {
    struct handshake *h;
    char *user;         /* who logs in */
    char *password;     /* configured; NULL: none */
    char *passphrase;   /* the same */
    char *memory;       /* what an answered password is kept by */
    int offered;        /* SSH_AUTH_METHOD_...: what the server said last */
    char tried[512];    /* for the error: "/home/a/.ssh/id_ed25519, agent, password" */
    char *problem;      /* what kept a key from being tried; NULL: nothing */
    const char *nobody; /* why a person was not asked; NULL: nobody was missing */
    bool unanswered;    /* somebody was asked and did not answer: that is the end */
    bool unchecked;     /* nobody authenticates the packets (h->error): nothing was tried */
};

/* Whether a method's answer ends the search: success, one of several steps done, or the connection
 * is gone. */
static inline bool auth_is_final(int answer)
{
    return answer != SSH_AUTH_DENIED;
}

/* `method` is being tried with `what` (NULL: nothing to name). */
void auth_note_tried(struct authentication *a, const char *method, const char *what);

/* Takes the text: it is logged, and if nothing else helps it is part of the error, which is the
 * line that counts. What is only LOG_DEBUG does not hide what is worse. */
void auth_note_problem(struct authentication *a, enum log_level level, char *problem);

/* How many times one thing is asked for; 0: nobody is asked (ssh_config(5)
 * NumberOfPasswordPrompts). */
unsigned auth_prompts(const struct authentication *a);

/* Whether there is somebody to ask for a password, passphrase or code; notes why not. */
bool auth_can_ask(struct authentication *a);

/* The password that somebody gave before, if it may be sent now; NULL: none. The caller frees with
 * secret_free. */
char *auth_kept_password(const struct authentication *a);

/* The next question of this run. NULL: no answer; nothing more is asked in this run. */
char *auth_ask(struct authentication *a, const char *prompt, bool echo);

/* The methods; each returns what libssh does: SSH_AUTH_SUCCESS, _PARTIAL, _DENIED, ... */
int auth_try_publickey(struct authentication *a);
int auth_try_interactive(struct authentication *a);
int auth_try_password(struct authentication *a);

#endif

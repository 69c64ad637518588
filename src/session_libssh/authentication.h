/* One run through the methods of RFC 4252, and what they share. On the dial thread. Only for this
 * room. */
#ifndef ADIT_SESSION_LIBSSH_AUTHENTICATION_H
#define ADIT_SESSION_LIBSSH_AUTHENTICATION_H

#include "session_libssh/handshake.h"

struct auth_keys; /* the keys to try, and where that stands */

struct authentication {
    struct handshake *h;
    char *user;             /* the name that logs in */
    bool has_password;      /* one is configured, and the keeper has it */
    char *passphrase;       /* configured, where keys are read here; NULL: none */
    int offered;            /* SSH_AUTH_METHOD_...: the methods that the server offered last */
    struct auth_keys *keys; /* NULL: publickey was not tried yet */
    char tried[1024];       /* for the error: "/home/a/.ssh/id_ed25519, agent, password" */
    char *problem;          /* what kept a key from being tried; NULL: nothing */
    char *nobody;           /* why a question could not be asked; NULL: none failed so */
    bool tried_key;         /* a key was offered */
    bool gave_password;     /* a person gave one in this run: the next step may want another one */
    bool unanswered;        /* a question got no answer: no more methods are tried */
    bool unchecked;         /* the packets are not authenticated (h->error): no method was tried */
};

/* Whether a method's answer ends the search: success, one of several steps done, or the connection
 * is gone. */
static inline bool auth_is_final(int answer)
{
    return answer != SSH_AUTH_DENIED;
}

/* What libssh made of a request. 0.11 takes the end of the connection for a refusal, which is none:
 * SSH_AUTH_ERROR then. */
static inline int auth_answer(const struct authentication *a, int answer)
{
    bool refused = answer == SSH_AUTH_DENIED || answer == SSH_AUTH_PARTIAL;

    return refused && !ssh_is_connected(a->h->handle) ? SSH_AUTH_ERROR : answer;
}

/* Notes that `method` is tried with `what` (NULL: nothing to name), for the error and for
 * connection_info. */
void auth_note_tried(struct authentication *a, const char *method, const char *what);

/* The same for a public key, with its fingerprint in the error (NULL: libssh does not know its
 * type). */
void auth_note_key(struct authentication *a, const char *what, ssh_key key);

/* Logs a problem, whose text is taken, and makes it part of the error if no method succeeds. A
 * problem of level ADIT_LOG_DEBUG does not replace another one. */
void auth_note_problem(struct authentication *a, enum log_level level, char *problem);

/* How many times one secret is asked for; 0: none is asked for (NumberOfPasswordPrompts of
 * ssh_config(5)). */
unsigned auth_prompts(const struct authentication *a);

/* Whether a password, passphrase or code can be asked for; notes why not. */
bool auth_can_ask(struct authentication *a);

/* Whether there is such a password that may be sent. */
bool auth_has_password(const struct authentication *a, enum login_password which);

/* Has the keeper keep the last answer that may be kept, which the server accepted, for later
 * logins. */
void auth_keep_answer(struct authentication *a);

/* Asks a question. NULL: there is no answer, and nothing more is asked in this run. The caller
 * frees by secret_free. */
char *auth_ask(struct authentication *a, const struct auth_question *question);

/* The methods; each returns what libssh does: SSH_AUTH_SUCCESS, _PARTIAL, _DENIED, ... */
int auth_try_publickey(struct authentication *a);
void auth_keys_free(struct auth_keys *keys);
int auth_try_interactive(struct authentication *a);
int auth_try_password(struct authentication *a);

#endif

/* What a dial asks the keeper for, over its login line (wire/login_line.h). On the dial thread.
 * Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_LOGIN_REQUESTS_H
#define ADIT_SESSION_LIBSSH_LOGIN_REQUESTS_H

#include "io/login_line.h"
#include "session/login.h"

#include <stdbool.h>

struct handshake;

struct login_requests {
    struct login_line line;
    int connection; /* once it is shut down, nobody is waited for */
    bool may_ask;   /* a person's terminal may be there: dial_request */
    bool has_turn;
    char *missing; /* after login_can_ask or login_turn returned false: why nothing can be asked;
                      NULL: the connection has ended */
};

/* Ends the line. */
void login_requests_clear(struct login_requests *requests);

/* Has the commands of Match exec run again and the files of host keys read; with `order` also
 * KnownHostsCommand for login_order. */
enum dial_status login_read_files(struct handshake *h, bool order);

/* The comma list of host key algorithms with those of known keys first. The caller frees. NULL: as
 * it is. */
char *login_order(struct handshake *h, const char *algorithms);

/* The keeper's decision about a host key (RFC 4253 section 6.6). */
enum dial_status login_judge_host_key(struct handshake *h, const uint8_t *blob, size_t length);

/* Reads password_file; `*has`: there is a password. False: it cannot be read, with `*status`. */
bool login_check_password(struct handshake *h, bool *has, enum dial_status *status);

/* Whether there is such a password; and the password, to be freed by secret_free as soon as it was
 * sent; NULL: there is none. */
bool login_has_password(struct handshake *h, enum login_password which);
char *login_take_password(struct handshake *h, enum login_password which);

/* The server has refused it; it has accepted the last answer that may be kept. */
void login_refused(struct handshake *h, enum login_password which);
void login_accepted(struct handshake *h);

/* Whether a question can be asked; the same, and waits for the turn of this dial, which
 * login_turn_end ends. */
bool login_can_ask(struct handshake *h);
bool login_turn(struct handshake *h);
void login_turn_end(struct handshake *h);

/* A question. */
struct auth_question {
    enum login_question question;
    const char *about; /* as enum login_question has it */
    bool echo;         /* the answer is seen as it is typed */
    bool may_keep;     /* it is a password, which is the same at the next login */
};

/* Asks, in the turn of this dial. The caller frees by secret_free; NULL: no answer. */
char *login_ask(struct handshake *h, const struct auth_question *question);

/* Shows lines, if questions are asked on the terminal. */
void login_show_lines(struct handshake *h, const char *lines);

#endif

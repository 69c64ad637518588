/* Checking passwords: crypt(3) takes its time by design. It is done on a few threads of low
 * priority, in turn by gateway and by source, so that whoever guesses passwords does not keep
 * others waiting; and who has guessed wrong waits before the next guess is looked at. Main thread
 * only. */
#ifndef ADIT_KEEPER_PASSWORD_CHECKS_H
#define ADIT_KEEPER_PASSWORD_CHECKS_H

#include "conf/config.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "wire/service.h"

struct password_checks;
struct hash_check;

/* Results come by `mailbox`, which is one of the loop's. */
struct password_checks *password_checks_new(struct loop *loop, struct mailbox *mailbox);

/* Checks that wait or are under way are forgotten; a thread that is hashing is left behind. */
void password_checks_free(struct password_checks *checks);

/* Called once, never from inside the call that asked: SERVICE_RIGHT, _WRONG or _UNCHECKED. */
typedef void password_checked_fn(void *arg, enum service_verdict verdict);

/* Where the checks of one gateway wait: those of another have a queue, and a turn, of their own. It
 * is freed before `checks`, when each of its checks was answered or forgotten. */
struct guess_queue;
struct guess_queue *guess_queue_new(struct password_checks *checks);
void guess_queue_free(struct guess_queue *queue);

struct password_question {
    struct config *config;     /* in which `users` lie; referenced while the check is under way */
    const struct users *users; /* NULL: the password is not checked */
    uint64_t source;           /* a number of where the guess comes from */
    struct span user, password;
    password_checked_fn *checked;
    void *arg;
};

/* The question is copied. The check is valid until it has been answered or forgotten. */
struct hash_check *password_checks_ask(struct guess_queue *queue,
                                       const struct password_question *question);

/* Nothing will be called. One that waits is not made. */
void password_check_forget(struct hash_check *check);

#endif

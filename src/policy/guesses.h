/* Who has guessed passwords wrong, and how long the next guess of the same source waits: so that
 * guessing is slow, and a login from elsewhere is not. Pure; one thread uses a table at a time. */
#ifndef ADIT_POLICY_GUESSES_H
#define ADIT_POLICY_GUESSES_H

#include <stdint.h>

struct guesses;
struct guesses *guesses_new(void);
void guesses_free(struct guesses *guesses);

/* A password was wrong, or right, for a user as `source` (a number of where it came from) gave it;
 * `now` is in milliseconds. After a second wrong one in a row for a user the source's next one for
 * that user waits: 100 ms, doubled by each further one up to 2 s. After 16 wrong ones for any users
 * each of the source's next ones waits up to 200 ms (not longer, as many users may share a source:
 * a balancer's, or a network's behind one address). What happened is forgotten when no password was
 * wrong for a minute, and if it was the oldest of too many; what a source has tried for one user
 * also by a right password. */
void guesses_add_wrong(struct guesses *guesses, uint64_t source, const char *user, uint64_t now);
void guesses_add_right(struct guesses *guesses, uint64_t source, const char *user);

/* When the source's next guess for the user may be looked at, in the same milliseconds; 0: at any
 * time. */
uint64_t guesses_wait_until(const struct guesses *guesses, uint64_t source, const char *user);

#endif

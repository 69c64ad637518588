/* `adit --passwd FILE USER`: adds a user to an htpasswd file, or changes a user's password. On the
 * main thread, before there are others. */
#ifndef ADIT_SETUP_PASSWD_H
#define ADIT_SETUP_PASSWD_H

/* Asks for the password, twice at the terminal, or takes the first line of standard input where
 * that is no terminal, and writes it. What was done, or why nothing was, goes to standard error.
 * Returns the exit status. */
int passwd_set(const char *file, const char *user);

#endif

/* What adit expects of the libssh that it runs with, beyond what libssh promises: which functions
 * it calls, and in which words it writes to its log. Each is checked while the first sessions run.
 * One that fails is one warning, and from then on the code that leaned on it goes another way,
 * which works with any libssh. doc/libssh.md has the list. Only for this room; any thread. */
#ifndef ADIT_SESSION_LIBSSH_EXPECTATIONS_H
#define ADIT_SESSION_LIBSSH_EXPECTATIONS_H

#include <stdbool.h>

enum expectation {
    EXPECT_CALLS,        /* reads and polls come by transport.c */
    EXPECT_CREATION,     /* the log has the number of a channel that is opened */
    EXPECT_CONFIRMATION, /* the log has each confirmation, with its packet size */
    EXPECT_REFUSAL,      /* the log has each refusal, with its reason */
    EXPECT_REQUEST,      /* the log has each global request that is sent */
    EXPECT_PORT,         /* the log has the success that a port comes with */
    EXPECT_BREACHES,     /* the log has what breach.c looks for */
    EXPECTATIONS,
};

/* It was seen to hold, or not to. The first failure of each is logged; what failed once is never
 * met again. */
void expectation_met(enum expectation expectation);
void expectation_failed(enum expectation expectation);

/* Neither is true before the first of these calls. */
bool expectation_is_met(enum expectation expectation);
bool expectation_has_failed(enum expectation expectation);

/* Whether the read-only part of the object (program or library) that holds `address` has this text.
 * (In a program that libssh is linked into statically adit's own copy of the text is found.) */
bool object_has_text(const void *address, const char *text);

#endif

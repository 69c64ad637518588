/* What an ssh(1) that carries sessions says on its standard error: why it has ended, and what it
 * has agreed with the server. Pure; the keeper's main thread. Only for this room. */
#ifndef ADIT_KEEPER_MASTER_STDERR_H
#define ADIT_KEEPER_MASTER_STDERR_H

#include "wire/service.h"

#include <stdbool.h>

/* How many of its last lines are kept, and how long one may be: the rest of it is dropped. */
#define MASTER_STDERR_LINES 4
#define MASTER_STDERR_LINE_MAX 400

/* The channels that the server has refused and that nobody has asked about yet (ssh tells its
 * clients that a channel was refused, but not why). A line does not say which channel it is about,
 * so that they are told only while all have the same reason. */
struct master_refusals {
    char *line; /* the reason of all: "connect failed: Connection refused"; NULL: there are none, or
                   they have several */
    unsigned count;
};

/* Zero before. */
struct master_stderr {
    char line[MASTER_STDERR_LINE_MAX + 1]; /* the one that has not ended yet */
    size_t length;
    char *last[MASTER_STDERR_LINES]; /* that tell a person something; the oldest first */
    bool logged_in;
    enum service_master_end kind;
    struct master_refusals refusals; /* since the login */
    struct buffer about; /* "NAME VALUE\n" each, as master_about (session/login.h) reads them */
};

/* A whole line that a person may want to see: valid during the call. */
typedef void master_stderr_line_fn(void *arg, const char *line);

/* Takes what was read. */
void master_stderr_take(struct master_stderr *text, struct span bytes, master_stderr_line_fn *line,
                        void *arg);

/* The last lines as the end of a sentence, the caller's to free; NULL: nothing was said. */
char *master_stderr_why(const struct master_stderr *text);

/* To be called for each channel that was refused, when ssh has told so and what it has said before
 * was taken. Returns the code of RFC 4254 section 5.1, or 0: it is not known; `*words` is the
 * server's text, the caller's to free, and NULL where nothing is known. */
uint32_t master_stderr_refusal(struct master_stderr *text, char **words);

/* Which options make ssh say all this; NULL ends them. */
extern const char *const master_stderr_options[];

void master_stderr_clear(struct master_stderr *text);

#endif

/* What an ssh(1) that carries sessions says on its standard error: why it has ended, and what it
 * has agreed with the server. Pure; the keeper's main thread. Only for this room. */
#ifndef ADIT_KEEPER_MASTER_STDERR_H
#define ADIT_KEEPER_MASTER_STDERR_H

#include "wire/service.h"

#include <stdbool.h>

/* How many of its last lines are kept, and how long one may be: the rest of it is dropped. */
#define MASTER_STDERR_LINES 4
#define MASTER_STDERR_LINE_MAX 400

/* Zero before. */
struct master_stderr {
    char line[MASTER_STDERR_LINE_MAX + 1]; /* the one that has not ended yet */
    size_t length;
    char *last[MASTER_STDERR_LINES]; /* that tell a person something; the oldest first */
    bool logged_in;
    enum service_master_end kind;
    struct buffer about; /* "NAME VALUE\n" each, as master_about (session/login.h) reads them */
};

/* A whole line that a person may want to see: valid during the call. */
typedef void master_stderr_line_fn(void *arg, const char *line);

/* Takes what was read. */
void master_stderr_take(struct master_stderr *text, struct span bytes, master_stderr_line_fn *line,
                        void *arg);

/* The last lines as the end of a sentence, the caller's to free; NULL: nothing was said. */
char *master_stderr_why(const struct master_stderr *text);

/* Which options make ssh say all this; NULL ends them. */
extern const char *const master_stderr_options[];

void master_stderr_clear(struct master_stderr *text);

#endif

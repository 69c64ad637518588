/* What an ssh(1) that carries sessions says on its standard error: why it has ended, what it has
 * agreed with the server, and why the server has refused opens. A server may have ssh print any
 * lines, by a banner or by the words of an answer; but it does not know the number of the process,
 * and what is agreed is printed before a banner can come. Pure; the keeper's main thread. Only for
 * this room.
 */
#ifndef ADIT_KEEPER_MASTER_STDERR_H
#define ADIT_KEEPER_MASTER_STDERR_H

#include "keeper/master_refusals.h"
#include "wire/service.h"

#include <stdbool.h>
#include <sys/types.h>

/* How many of its last lines are kept, and how long one may be: the rest of it is dropped. */
#define MASTER_STDERR_LINES 4
#define MASTER_STDERR_LINE_MAX 400

/* What it says of the connection: each name of master_about (session/login.h), and a value. */
#define MASTER_ABOUTS 7

/* Zero before master_stderr_begin. */
struct master_stderr {
    pid_t process;
    char line[MASTER_STDERR_LINE_MAX + 1]; /* the one that has not ended yet */
    size_t length;
    char *last[MASTER_STDERR_LINES]; /* that tell a person something; the oldest first */
    bool logged_in;
    enum service_master_end kind;
    char *about[MASTER_ABOUTS]; /* NULL: not said */
    struct master_refusals refusals;
};

/* A whole line that a person may want to see: valid during the call. */
typedef void master_stderr_line_fn(void *arg, const char *line);

/* Forgets all. The process prints from now on; whether it is logged in. */
void master_stderr_begin(struct master_stderr *text, pid_t process, bool logged_in);

/* Takes what was read. */
void master_stderr_take(struct master_stderr *text, struct span bytes, master_stderr_line_fn *line,
                        void *arg);

/* The last lines as the end of a sentence, the caller's to free; NULL: nothing was said. */
char *master_stderr_why(const struct master_stderr *text);

/* What was agreed: "NAME VALUE\n" each; the caller frees. */
char *master_stderr_about(const struct master_stderr *text);

/* Which options make ssh say all this; NULL ends them. */
extern const char *const master_stderr_options[];

void master_stderr_clear(struct master_stderr *text);

#endif

/* Running a program to its end and taking what it prints. For threads that may block: a dial
 * thread, the loading of a configuration; any of them, several at once. A program that belongs to a
 * connection and lives as long (ProxyCommand) is io/proxy_command's. */
#ifndef ADIT_IO_SUBPROCESS_H
#define ADIT_IO_SUBPROCESS_H

#include "io/wait.h"

#include <stdbool.h>
#include <stddef.h>

/* What a program prints on one stream goes to storage of the caller's, so that a secret has one
 * place, which the caller overwrites. */
struct subprocess_text {
    char *text;    /* ends with a NUL; NULL: the stream is this process's own */
    size_t size;   /* of the storage, with the NUL */
    size_t length; /* result: bytes taken; the text may hold other NULs */
    bool cut;      /* result: the program printed more, which was read and dropped */
};

struct subprocess {
    /* The program, which is found in PATH, and its arguments; ends with NULL. */
    const char *const *arguments;
    const char *const *environment; /* as environ(7); NULL: this process's own */
    const void *input;              /* what standard input holds; NULL: /dev/null */
    size_t input_length;
    struct subprocess_text output;
    struct subprocess_text errors;
    bool end_when_cut; /* a program that prints more than there is room for is ended */
    /* The program leads a process group of its own (setpgid(2)), and what it started is ended with
     * it. Not for a program that may use the terminal: only the group in front reads from it and
     * gets its Ctrl-C. */
    bool own_group;
    bool errors_to_output; /* standard error goes where standard output goes; `errors` is unused */
    struct wait_limit limit;
};

enum subprocess_outcome {
    SUBPROCESS_EXITED,      /* `number`: the exit status */
    SUBPROCESS_KILLED,      /* by a signal that this process did not send; `number`: which */
    SUBPROCESS_NOT_STARTED, /* `number`: errno; ENOENT: there is no such program */
    SUBPROCESS_TIMED_OUT,   /* the limit's time was over, and the program was ended */
    SUBPROCESS_ABORTED, /* the limit's connection was shut down: the program was ended, or not begun
                         */
    SUBPROCESS_OVERFLOWED, /* the program printed too much, and was ended: end_when_cut */
    SUBPROCESS_FAILED,     /* `number`: the errno of a read or a wait; the program was ended */
};

struct subprocess_end {
    enum subprocess_outcome outcome;
    int number;
};

/* Runs the program (posix_spawn(3); no signal is blocked or ignored in it, and it gets no
 * descriptors but the three) and returns when its streams are at their end and it has exited. A
 * program that is ended gets SIGTERM and, a second later, SIGKILL; its own children get the same if
 * it leads a group, else nothing. In each case the program has been waited for and no descriptor
 * stays open. */
struct subprocess_end subprocess_run(struct subprocess *program);

/* Whether a program of that name can be executed, by PATH. */
bool program_is_there(const char *name);

/* Whether the program exited with status 0. */
bool subprocess_succeeded(struct subprocess_end end);

/* How a program ended, behind its name in a sentence: "exited with status 1", "was killed by signal
 * 9 (Killed)", "cannot be run: No such file or directory", "did not end in time". */
#define SUBPROCESS_END_MAX 120
const char *subprocess_describe(struct subprocess_end end, char text[static SUBPROCESS_END_MAX]);

#endif

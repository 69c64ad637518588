/* Asking a person during a dial: on the terminal or through a program, one prompt at a time in the
 * whole process. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_ASK_H
#define ADIT_SESSION_LIBSSH_ASK_H

#include <stdatomic.h>
#include <stdbool.h>

/* Who answers. */
enum ask_way { ASK_NOBODY, ASK_TERMINAL, ASK_PROGRAM };

/* What that depends on; NULL where there is none. */
struct ask_scene {
    bool batch_mode;     /* BatchMode: nobody is to be asked */
    const char *askpass; /* the upstream's own program: also a daemon's */
    bool may_ask;        /* somebody started this on a command line */
    bool terminal;       /* a terminal is there, with us in its foreground */
    /* The environment, by its names: ssh(1). */
    const char *ssh_askpass;
    const char *ssh_askpass_require;
    const char *display;
    const char *wayland_display;
};

/* Decides as ssh(1) does (SSH_ASKPASS, SSH_ASKPASS_REQUIRE), the upstream's own program first.
 * `*program`: for ASK_PROGRAM which one, for ASK_NOBODY a few words that say why. */
enum ask_way ask_way(const struct ask_scene *scene, const char **program);

/* Asks on behalf of one dial. */
struct asker {
    const char *askpass;
    bool batch_mode;
    bool may_ask;
    int connection;       /* once it is shut down, nobody is asked any longer */
    atomic_bool *waiting; /* set while somebody is, or will be, asked */
    atomic_uint *prompts; /* counts them */
    bool has_turn;
    const char *missing; /* after a false ask_can or ask_begin: why there is nobody; NULL: the
                            connection has ended */
};

/* Whether there is anybody to ask. */
bool ask_can(struct asker *asker);

/* Waits for its turn; more of them are one. False: nobody can be asked. */
bool ask_begin(struct asker *asker);

/* Lets others ask; without ask_begin it does nothing. */
void ask_end(struct asker *asker);

/* The answer to one prompt, the caller's to free with secret_free; NULL: none was given (end of
 * file, a program that failed, the connection has ended). Between ask_begin and ask_end. With
 * `echo` the answer is seen as it is typed. */
char *ask_prompt(struct asker *asker, const char *prompt, bool echo);

/* Something the person should know, if they are asked on the terminal; ends with a newline. */
void ask_show(struct asker *asker, const char *text);

/* What answers now is a program: it will answer the same question in the same way. */
bool ask_is_program(const struct asker *asker);

/* ask_terminal.c: the controlling terminal. */

/* A descriptor of it; -1: there is none, or we are in its background. */
int terminal_open(void);
char *terminal_ask(const char *prompt, bool echo, int connection);
void terminal_show(const char *text);

/* ask_program.c: a program with the prompt as its argument, and its first line as the answer. */
char *program_ask(const char *program, const char *prompt, int connection);

#endif

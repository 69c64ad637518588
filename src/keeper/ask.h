/* Asking a person during a login: on the terminal or through a program, one login at a time in the
 * whole process. On the threads of login lines. Only for this room. */
#ifndef ADIT_KEEPER_ASK_H
#define ADIT_KEEPER_ASK_H

#include <stdbool.h>

/* What gives the answers. */
enum ask_way { ASK_NOBODY, ASK_TERMINAL, ASK_PROGRAM };

/* What decides about that; NULL where a value is not set. */
struct ask_scene {
    bool batch_mode;     /* BatchMode of ssh_config(5): nothing is asked */
    const char *askpass; /* the program of the upstream, which also a daemon may run */
    bool may_ask;        /* the process was started on a command line */
    bool terminal;       /* there is a terminal, with this process in its foreground */
    /* Variables of the environment: ssh(1). */
    const char *ssh_askpass;
    const char *ssh_askpass_require;
    const char *display;
    const char *wayland_display;
};

/* Decides as ssh(1) does (SSH_ASKPASS, SSH_ASKPASS_REQUIRE), the upstream's own program first.
 * `*program`: for ASK_PROGRAM the program, for ASK_NOBODY a few words that say why. */
enum ask_way ask_way(const struct ask_scene *scene, const char **program);

/* What one login asks with. */
struct asker {
    const char *upstream; /* its name in the configuration */
    const char *host;     /* where the login is */
    const char *askpass;
    bool batch_mode;
    bool may_ask;
    int line;         /* the login line, which is told when a person is waited for; once the gateway
                         shuts it down, nothing is asked any longer */
    unsigned prompts; /* counts the questions */
    bool has_turn;
    const char *missing; /* after ask_can or ask_begin returned false: why nothing can be asked;
                            NULL: the line has ended */
};

/* Whether a question can be asked at all. */
bool ask_can(struct asker *asker);

/* Waits for the turn of this login; does nothing when the login has it already. False: nothing can
 * be asked. */
bool ask_begin(struct asker *asker);

/* Ends the turn of this login, if it has it. */
void ask_end(struct asker *asker);

/* The answer to one prompt, the caller's to free with secret_free; NULL: none was given (end of
 * file, a program that failed, the line has ended). Between ask_begin and ask_end. With
 * `echo` the answer is seen as it is typed. */
char *ask_prompt(struct asker *asker, const char *prompt, bool echo);

/* Shows a text that ends with a newline, if questions are asked on the terminal. */
void ask_show(struct asker *asker, const char *text);

/* Tells the gateway whether a person, or a program, is waited for: the time of a login does not run
 * then. */
void ask_note(const struct asker *asker, bool waits);

/* Whether a program answers, which would answer the same question in the same way. */
bool ask_is_program(const struct asker *asker);

/* ask_program.c: a program with the prompt as its argument, and its first line as the answer, as
 * SSH_ASKPASS of ssh(1). Its environment is this process's with ADIT_UPSTREAM and ADIT_HOST, the
 * names of what asks: a program that answers for several upstreams tells them apart. As by ssh(1),
 * which sets it only for questions that a yes or no is the answer to, SSH_ASKPASS_PROMPT is not set
 * here. */
char *program_ask(const struct asker *asker, const char *program, const char *prompt);

#endif

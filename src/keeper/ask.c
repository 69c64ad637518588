/* Whether a person is asked on the terminal or through a program, and one login at a time. */
#include "keeper/ask.h"

#include "io/login_line.h"
#include "io/terminal.h"
#include "io/wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_ASKPASS "/usr/bin/ssh-askpass" /* as Debian's OpenSSH has it */

static bool is_set(const char *value)
{
    return value != NULL && *value != '\0';
}

enum ask_way ask_way(const struct ask_scene *scene, const char **program)
{
    const char *require = scene->ssh_askpass_require != NULL ? scene->ssh_askpass_require : "";
    bool force = strcasecmp(require, "force") == 0;
    bool prefer = strcasecmp(require, "prefer") == 0;
    bool never = strcasecmp(require, "never") == 0;
    bool graphical = is_set(scene->display) || is_set(scene->wayland_display);
    bool allowed = force || (graphical && !never);

    if (scene->batch_mode) {
        *program = "BatchMode is set";
        return ASK_NOBODY;
    }
    if (is_set(scene->askpass)) {
        *program = scene->askpass;
        return ASK_PROGRAM;
    }
    if (!scene->may_ask) {
        *program = "there is no askpass program";
        return ASK_NOBODY;
    }
    if (allowed && (force || prefer || !scene->terminal)) {
        *program = scene->ssh_askpass != NULL ? scene->ssh_askpass : DEFAULT_ASKPASS;
        return ASK_PROGRAM;
    }
    *program = "there is no terminal to ask on, and no SSH_ASKPASS with a display";
    return scene->terminal ? ASK_TERMINAL : ASK_NOBODY;
}

static enum ask_way way_now(const struct asker *asker, const char **program)
{
    int terminal = asker->may_ask ? terminal_open() : -1;
    struct ask_scene scene = {
        .batch_mode = asker->batch_mode,
        .askpass = asker->askpass,
        .may_ask = asker->may_ask,
        .terminal = terminal >= 0,
        .ssh_askpass = getenv("SSH_ASKPASS"),
        .ssh_askpass_require = getenv("SSH_ASKPASS_REQUIRE"),
        .display = getenv("DISPLAY"),
        .wayland_display = getenv("WAYLAND_DISPLAY"),
    };

    if (terminal >= 0)
        close(terminal);
    return ask_way(&scene, program);
}

/* Held by the thread that asks, while its person or program answers. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* How often a login that waits for its turn looks for the turn, and whether its line has ended. */
#define TURN_MS 100

bool ask_can(struct asker *asker)
{
    const char *program;

    asker->missing = NULL;
    if (way_now(asker, &program) != ASK_NOBODY)
        return true;
    asker->missing = program;
    return false;
}

bool ask_begin(struct asker *asker)
{
    if (asker->has_turn)
        return true;
    if (!ask_can(asker))
        return false;
    ask_note(asker, true);
    while (pthread_mutex_trylock(&turn) != 0) {
        struct wait_limit look = wait_limit(asker->line, TURN_MS);
        if (wait_for(-1, 0, &look) != ETIMEDOUT) {
            ask_note(asker, false);
            return false;
        }
    }
    asker->has_turn = true;
    return true;
}

void ask_end(struct asker *asker)
{
    if (!asker->has_turn)
        return;
    asker->has_turn = false;
    pthread_mutex_unlock(&turn);
    ask_note(asker, false);
}

char *ask_prompt(struct asker *asker, const char *prompt, bool echo)
{
    const char *program;

    asker->prompts++;
    ask_note(asker, true);
    switch (way_now(asker, &program)) {
    case ASK_TERMINAL: return terminal_ask(prompt, echo, asker->line);
    case ASK_PROGRAM: return program_ask(asker, program, prompt);
    case ASK_NOBODY: break;
    }
    return NULL;
}

void ask_show(struct asker *asker, const char *text)
{
    const char *program;

    if (way_now(asker, &program) == ASK_TERMINAL)
        terminal_show(text);
}

bool ask_is_program(const struct asker *asker)
{
    const char *program;

    return way_now(asker, &program) == ASK_PROGRAM;
}

/* (What cannot be sent is noticed where the line is read.) */
void ask_note(const struct asker *asker, bool waits)
{
    login_line_send(asker->line, &(struct login_message){.kind = LOGIN_WAITS,
                                                         .numbers = {waits, asker->prompts}});
}

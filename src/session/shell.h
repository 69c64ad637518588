/* Shell channels: channels of type "session" (RFC 4254 section 6), which run a shell, a command or
 * a subsystem at the server. Part of session/session.h, where their operations are. */
#ifndef ADIT_SESSION_SHELL_H
#define ADIT_SESSION_SHELL_H

#include "base/mem.h"
#include "io/terminal_modes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct endpoint;
struct session_shell;

enum shell_kind { SHELL_LOGIN, SHELL_COMMAND, SHELL_SUBSYSTEM };

/* A terminal's size, in characters and in pixels (0: not known). */
struct shell_size {
    uint16_t columns;
    uint16_t rows;
    uint16_t width;
    uint16_t height;
};

struct shell_request {
    enum shell_kind kind;
    const char *command; /* or the subsystem's name */
    bool tty;            /* a pseudo-terminal is wanted ... */
    const char *term;    /* ... of this type (TERM) ... */
    struct shell_size size;
    uint8_t modes[TERMINAL_MODES_MAX]; /* ... with these modes (terminal_modes) */
    size_t modes_length;
    const char *agent;  /* the path of the agent's socket that is forwarded; NULL: none is */
    char **environment; /* NAME=VALUE; the server takes what its AcceptEnv allows */
    size_t variable_count;
};

/* A request with strings of its own; and their end. */
static inline struct shell_request shell_request_copy(const struct shell_request *request)
{
    struct shell_request copy = *request;

    copy.command = mem_strdup(request->command);
    copy.term = mem_strdup(request->term);
    copy.agent = mem_strdup(request->agent);
    copy.environment = mem_zalloc((request->variable_count + 1) * sizeof(*copy.environment));
    for (size_t i = 0; i < request->variable_count; i++)
        copy.environment[i] = mem_strdup(request->environment[i]);
    return copy;
}

static inline void shell_request_clear(struct shell_request *request)
{
    for (size_t i = 0; i < request->variable_count; i++)
        free(request->environment[i]);
    free(request->environment);
    free((char *)request->command);
    free((char *)request->term);
    free((char *)request->agent);
    *request = (struct shell_request){0};
}

struct shell_events {
    /* The command is on its way, and the open is about to be reported. `shell` is valid as long as
     * the channel's endpoint. `error` is what the command writes to standard error: a paused
     * endpoint that takes no bytes, and is the callee's. */
    void (*started)(void *arg, struct session_shell *shell, struct endpoint *error);
    /* The server has no terminal for it; the command runs without. Before `started`. */
    void (*tty_refused)(void *arg);
    /* The command has ended with that status, before the channel's endpoint reports its end. (If a
     * signal has ended the command, this is not called.) May be called from inside a libssh
     * callback: the callee notes the status and does nothing else. */
    void (*exited)(void *arg, uint32_t status);
    /* The server opens a connection to the forwarded agent, which is the callee's: a paused
     * endpoint. */
    void (*agent_asked)(void *arg, struct endpoint *channel);
};

/* What is to be run, and who is told; the events come until the channel's endpoint is closed. */
struct shell_target {
    const struct shell_request *request;
    const struct shell_events *events;
    void *arg;
};

#endif

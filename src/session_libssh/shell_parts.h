/* The inside of a shell channel, for shell.c and shell_error.c. */
#ifndef ADIT_SESSION_LIBSSH_SHELL_PARTS_H
#define ADIT_SESSION_LIBSSH_SHELL_PARTS_H

#include "session_libssh/channel.h"

/* What is asked of the server, in this order. */
enum shell_step {
    SHELL_UNCONFIRMED, /* the channel is being opened */
    SHELL_AGENT,
    SHELL_TERMINAL,
    SHELL_ENVIRONMENT,
    SHELL_COMMAND_ASKED, /* the command was asked for, and the owner has the channel */
    SHELL_RUNNING,       /* the server has answered */
};

/* Standard error as an endpoint. It has an owner of its own, who may close it before or after the
 * channel ends: then it has no channel, and gives its owner what it holds. */
struct error_stream {
    struct endpoint endpoint;
    struct loop *loop;
    struct later reporting;
    struct channel *channel; /* NULL: it has ended */
    struct buffer held;      /* bytes that libssh gave away and the owner has not taken */
    bool leftover;           /* libssh keeps bytes */
    bool eof;
    bool closed;
};

struct channel_shell {
    struct session_shell base;
    TAILQ_ENTRY(channel_shell) link; /* session->channels.starting, until SHELL_RUNNING */
    struct channel *channel;
    struct shell_request request; /* with strings of its own */
    struct shell_events events;
    void *arg;
    enum shell_step step;
    bool listed;                /* in session->channels.starting */
    size_t variable;            /* the next of the environment */
    bool waiting;               /* a request has gone out whose answer has not come ... */
    uint64_t asked_at;          /* ... when libssh was called for it last: packets.in_packets */
    struct error_stream *error; /* NULL: its owner has closed it */
};

struct error_stream *error_stream_new(struct channel *channel);
/* The channel ends. `alive`: what libssh still has of it is taken over. */
void error_stream_detach(struct error_stream *error, bool alive);
/* A line of adit's own. */
void error_stream_say(struct error_stream *error, const char *text);

#endif

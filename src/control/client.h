/* The client of the control socket: `adit -O`. It blocks, in a process that has no other threads;
 * main.c calls it. control_probe alone is also called by the keeper, at the start and on the thread
 * of a change (keeper/change). */
#ifndef ADIT_CONTROL_CLIENT_H
#define ADIT_CONTROL_CLIENT_H

#include "conf/options.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What is requested, and at which socket. */
struct control_order {
    const char *command; /* "check", ...: as given */
    const char *path;    /* of the socket; NULL: none was given */
    const char
        *operand;     /* what the command is about: a number, an upstream; NULL: none was given */
    const char *host; /* whose tunnel is looked for if nobody is there; NULL */
    const struct option_forward *forwards; /* for "forward" and "cancel" */
    size_t forward_count;
    /* For a master that is an ssh(1): the forwards as such. control_ask makes them of the above. */
    const struct config_forward *made;
    size_t made_count;
    bool json;       /* print the answer as JSON */
    bool quiet;      /* do not tell that "stop" or "exit" was sent */
    bool tell_ports; /* write which port the server chose for what, as ssh(1) does */
};

/* Carries out `adit -O COMMAND`: sends the request, prints what ssh(1) would print, and returns the
 * exit status. */
int control_ask(const struct control_order *order);

/* Makes the adit that listens at `order->path`, or the ssh(1) that is the master there, set up the
 * forwards: of an adit those of `forwards`, of an ssh those of `made`. Returns -1 when neither is
 * there, or where there are no forwards for it, or an ssh has refused one, which was written to
 * standard error; else the exit status. With `background` that is at once; else it is when that
 * process has ended, or a signal asked this one to end, and the forwards are cancelled. */
int control_share(const struct control_order *order, bool background);

/* Has the ssh(1) that is the master at `path` join standard input and output to a connection from
 * the server to `target`, as `ssh -W` does. Returns -1, with nothing done, when there is none; else
 * the exit status, once the connection has ended. */
int control_share_stdio(const char *path, const struct config_place *target);

/* What listens at `path`. */
enum control_peer {
    CONTROL_NOBODY,
    CONTROL_ADIT,    /* `*pid` is its process */
    CONTROL_SSH,     /* an ssh(1) that is a ControlMaster, of this user or of root */
    CONTROL_FOREIGN, /* another program, or an adit that does not answer within two seconds */
};
enum control_peer control_probe(const char *path, pid_t *pid);

/* Sends a request without more words to the adit at `path`, which is this user's or root's, and
 * returns its answer, a reference of the caller's. NULL: there is none within two seconds, or it is
 * an error; errno is connect(2)'s, or 0. */
json_t *control_question(const char *path, const char *command);

/* The names of the commands, one after another; NULL behind the last. */
const char *control_command_name(size_t index);

#endif

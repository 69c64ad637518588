/* The room gateway/ knows the whole: listeners in front, workers in the middle, pools behind;
 * forwards, reloads and commands. It runs on the main thread of the gateway's process, where
 * gateway/process calls it: the keeper starts that process, and main.c finds itself in it. */
#ifndef ADIT_GATEWAY_GATEWAY_H
#define ADIT_GATEWAY_GATEWAY_H

#include "conf/config.h"

#include <sys/types.h>

struct gateway;
struct login_engine;

/* A configuration without a file came from a command line, and its gateway behaves as ssh does:
 * signals end it at once, and what goes wrong is one line on standard error. */
struct gateway_options {
    const struct login_engine *engine;      /* that dials and carries sessions */
    const struct login_engine *join_engine; /* of upstreams with join_master */
    int link;                               /* this process's end of the pair with the keeper */
    pid_t process;                          /* the keeper, which is adit to all others */
    int log_fd;                             /* where the log goes */
    bool reads_again;        /* what a command line means may have changed: SIGHUP asks for it */
    unsigned verbose;        /* levels to add to what the configuration says */
    bool may_ask;            /* a person may be asked for what a login needs */
    bool first_failure_ends; /* a dial that fails ends it, until all is up once */
    bool was_up;             /* all was up once, in a gateway before this one */
    const struct config_place *stdio; /* -W: where standard input and output lead; NULL: nowhere */
    const char *stdio_via;            /* the upstream that they lead through */
    /* --try: it serves nobody, tries these upstreams (none: all), prints what it saw, and ends. */
    bool tries;
    bool try_json;
    struct string_list try_upstreams;
    const struct config_place *try_target; /* of a channel; NULL: any */
};

/* The sockets that the keeper has bound for a configuration. */
struct given_sockets;

/* Sets up workers and listeners for `config`, whose reference it takes, at the sockets given. NULL:
 * something could not be had, and that was logged. */
struct gateway *gateway_new(struct config *config, struct given_sockets *sockets,
                            const struct gateway_options *options);

/* Runs until it ends: by a signal, with connections drained; or by a failure, said on standard
 * error. Returns the exit status: 0, or 255. */
int gateway_run(struct gateway *gateway);

/* After gateway_run. */
void gateway_free(struct gateway *gateway);

#endif

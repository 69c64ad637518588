/* The room gateway/ knows the whole: listeners in front, workers in the middle, pools behind;
 * forwards, signals, reloads and commands. It runs on the main thread; main.c calls it. */
#ifndef ADIT_GATEWAY_GATEWAY_H
#define ADIT_GATEWAY_GATEWAY_H

#include "conf/config.h"
#include "gateway/config_changes.h"

struct gateway;
struct login_engine;

/* A configuration without a file came from a command line, and its gateway behaves as ssh does:
 * signals end it at once, and what goes wrong is one line on standard error. */
struct gateway_options {
    const struct login_engine *engine; /* that dials and carries sessions */
    int log_fd;                        /* where the log goes */
    /* What a command line means now, for SIGHUP, on a thread that may block; see
     * options_read_again. NULL: it is not read again. */
    config_read_again_fn *read_again;
    void (*reopen_log)(void *arg);    /* called on SIGHUP: the log's file may have been moved */
    unsigned verbose;                 /* levels to add to what the configuration says */
    bool may_ask;                     /* a person may be asked for what a login needs */
    bool first_failure_ends;          /* a dial that fails ends it, until all is up once */
    const struct config_place *stdio; /* -W: where standard input and output lead; NULL: nowhere */
    const char *stdio_via;            /* the upstream that they lead through */
    /* Called once, when every upstream has a session and everything that listens does. NULL is
     * fine. */
    void (*up)(void *arg);
    void *arg;
};

/* Sets up workers and listeners for `config`, whose reference it takes. NULL: something could not
 * be had (each is logged, or of a command line said on standard error). */
struct gateway *gateway_new(struct config *config, const struct gateway_options *options);

/* Runs until it ends: by a signal, with connections drained; or by a failure, said on standard
 * error. Returns the exit status: 0, or 255. */
int gateway_run(struct gateway *gateway);

/* After gateway_run. */
void gateway_free(struct gateway *gateway);

#endif

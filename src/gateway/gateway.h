/* The whole: listeners in front, workers in the middle, pools behind; signals and reloads. */
#ifndef ADIT_GATEWAY_GATEWAY_H
#define ADIT_GATEWAY_GATEWAY_H

#include "conf/config.h"

struct gateway;

struct gateway_options {
    int log_fd;       /* where the log goes */
    unsigned verbose; /* levels to add to what the configuration says */
};

/* Sets up workers and listeners for `config`, whose reference it takes. NULL: something could not
 * be had (each is logged). */
struct gateway *gateway_new(struct config *config, const struct gateway_options *options);

/* Runs until a signal ends it and the connections are drained. */
void gateway_run(struct gateway *gateway);

/* After gateway_run. */
void gateway_free(struct gateway *gateway);

#endif

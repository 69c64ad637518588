/* The room setup/ knows how files are made that people would else write by hand: this is a first
 * adit.ini (`adit --init FILE`), passwd.h a users file. It runs on the main thread before there are
 * others; main.c calls it. */
#ifndef ADIT_SETUP_INIT_H
#define ADIT_SETUP_INIT_H

#include "conf/options.h"

/* Asks at the terminal what the command line does not say, unless it names a server: then nothing
 * is asked but passwords. Writes options->file, which must not exist, and sets options->config to
 * what it says. Returns 0, or the exit status after the reason was written to standard error;
 * nothing was written then. */
int init_write(struct options *options);

/* Prints what can be done with the file that was written: whether it `works` was tried. */
void init_advise(const char *file, const struct config *config, bool works);

#endif

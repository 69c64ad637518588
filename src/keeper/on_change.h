/* on_change of [gateway]: a program that is run when an upstream or a remote forward has come up or
 * gone down, as the gateway tells by GATEWAY_EVENT. One runs at a time. While it runs, and in the
 * pause behind it, only the last state of each upstream and forward is kept: a program that is slow
 * is told of less, not later and later. Main thread only; only for this room. */
#ifndef ADIT_KEEPER_ON_CHANGE_H
#define ADIT_KEEPER_ON_CHANGE_H

#include "conf/words.h"
#include "wire/keeper.h"

#include <stdbool.h>

struct config;
struct keeper;
struct on_change;

struct on_change *on_change_new(struct keeper *keeper);

/* A gateway with this configuration tells of a change. False: it may not say that. (What the
 * configuration does not have any more is left out.) */
bool on_change_event(struct on_change *changes, const struct config *config,
                     struct keeper_message *message);

/* The gateway was killed: all that was up is down, for that reason. */
void on_change_gateway_died(struct on_change *changes, const char *reason);

/* For an upgrade: lines of what is known, has still to be told, and runs, with the names "change"
 * and "change-program"; and what such a line holds. False: it holds something else. */
void on_change_save(const struct on_change *changes, struct buffer *out);
bool on_change_restore(struct on_change *changes, struct word_reader *words);
bool on_change_restore_program(struct on_change *changes, struct word_reader *words);

/* Ends a program that runs. NULL is fine. */
void on_change_free(struct on_change *changes);

#endif

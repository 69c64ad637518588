/* The commands of `adit -O`, and what they print when they succeed. Any thread. */
#ifndef ADIT_CONTROL_COMMAND_TABLE_H
#define ADIT_CONTROL_COMMAND_TABLE_H

#include "control/client.h"

struct control_command {
    const char *name;
    bool forwards; /* the command is about forwards */
    void (*print)(const struct control_order *order, const json_t *answer);
};

/* NULL: there is none of that name. */
const struct control_command *control_find_command(const char *name);

/* Whether only an ssh(1) that is the master knows the command. */
bool control_command_is_ssh(const struct control_command *command);

/* Writes that there is none, and which there are, to standard error. */
void control_print_no_command(const char *name);

/* What "forward" prints, also of an answer that is an error. */
void control_print_forward(const struct control_order *order, const json_t *answer);

#endif

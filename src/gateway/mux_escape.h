/* ssh(1)'s ESCAPE CHARACTERS in what a person types at a terminal that is served as a mux client:
 * the master has to know them, since the client only passes its terminal on. */
#ifndef ADIT_GATEWAY_MUX_ESCAPE_H
#define ADIT_GATEWAY_MUX_ESCAPE_H

#include "io/pump.h"

#include <stdint.h>

/* Has the pump obey escapes that begin with this character, at the beginning of a line: "~." ends
 * the pump, "~~" stands for the character itself. MUX_ESCAPE_NONE: there are none. */
void mux_escape_add(struct pump_options *options, uint32_t character);

#endif

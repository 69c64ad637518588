/* Forwards as a mux client names them (OPEN_FWD, CLOSE_FWD). Pure; any thread. */
#ifndef ADIT_GATEWAY_MUX_FORWARD_H
#define ADIT_GATEWAY_MUX_FORWARD_H

#include "gateway/config_changes.h"
#include "wire/mux.h"

/* The forward in the words of ssh(1), for config_changes_ask: kind, spec and via are the caller's.
 * False: it cannot be one, and nothing is set. */
bool mux_forward_words(const struct mux_forward *forward, const char *via,
                       struct forward_words *words);

#endif

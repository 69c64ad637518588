/* What is said of a session whose key exchange a quantum computer breaks. Main thread only. */
#ifndef ADIT_GATEWAY_POST_QUANTUM_H
#define ADIT_GATEWAY_POST_QUANTUM_H

#include "base/log.h"
#include "session/login.h"

/* The line for the log, the caller's to free, and its level: a warning where something can be done
 * on this machine or the server; an information where this machine's SSH library has no such key
 * exchange. NULL: there is nothing to say, or `post_quantum` of the upstream says that nobody wants
 * to know. */
char *post_quantum_notice(const struct config_upstream *upstream,
                          const struct connection_info *info, enum log_level *level);

/* Writes it, unless it was written before. */
void post_quantum_tell(bool *told, const struct config_upstream *upstream,
                       const struct connection_info *info);

#endif

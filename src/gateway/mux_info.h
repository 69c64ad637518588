/* What a mux client is told of connections and channels (EXT_INFO). Main thread only. */
#ifndef ADIT_GATEWAY_MUX_INFO_H
#define ADIT_GATEWAY_MUX_INFO_H

#include "base/ssh_bytes.h"
#include "gateway/gateway.h"

/* Lines about the sessions of the upstream `via`: "connection", as ssh -O conninfo asks, or
 * "channels", as ssh -O channels. NULL: there is nothing of that name. The caller frees. */
char *mux_info_text(const struct gateway *gateway, const char *via, struct span name);

#endif

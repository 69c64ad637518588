/* /proxy.pac of [status]: which listener a browser should use, and for what. Main thread only. */
#ifndef ADIT_GATEWAY_PROXY_PAC_H
#define ADIT_GATEWAY_PROXY_PAC_H

#include "gateway/gateway.h"
#include "status/server.h"

/* The text, which the caller frees; NULL: there is no listener that it could name. */
char *proxy_pac_text(const struct gateway *gateway, const struct status_pac *asked);

#endif

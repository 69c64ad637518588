/* A connection to the master that an upstream joins (join_master), for a dial: the keeper connects,
 * and is asked again where the master has no room for another connection. Main thread only. */
#ifndef ADIT_GATEWAY_DIAL_MASTER_H
#define ADIT_GATEWAY_DIAL_MASTER_H

#include "conf/config.h"
#include "shared/service.h"

struct dial_master;

/* `fd` is the connection, and the callee's; -1: there is none, for `error` (errno(3)). Never called
 * from inside dial_master_start. */
typedef void dial_master_reached_fn(void *arg, int fd, int error);

/* Waits for room for the upstream's connect_timeout. The upstream must live as long. It is freed
 * once `reached` is called. */
struct dial_master *dial_master_start(struct loop *loop, struct service *service,
                                      const struct config_upstream *upstream,
                                      dial_master_reached_fn *reached, void *arg);

/* `reached` will not be called. NULL is fine. */
void dial_master_cancel(struct dial_master *master);

#endif

/* An ssh(1) that carries a session (engine = openssh), for a dial: the keeper starts it on the
 * dial's connection. It belongs to the session from then on. Main thread only. */
#ifndef ADIT_GATEWAY_DIAL_OWN_MASTER_H
#define ADIT_GATEWAY_DIAL_OWN_MASTER_H

#include "session/login.h"
#include "shared/service.h"

#include <stdbool.h>
#include <stddef.h>

struct dial_own_master;

/* What came of it: `fd` is a connection to the master, and the callee's, `master` its number, and
 * `about` what it has agreed with the server. Or `fd` is -1, and `error` is a sentence. Never
 * called from inside dial_own_master_start. */
struct own_master_result {
    int fd;
    uint32_t master;
    struct span about;
    enum dial_status status;
    const char *error;
};
typedef void dial_own_master_fn(void *arg, const struct own_master_result *result);

struct own_master_request {
    struct service *service;
    const char *upstream; /* its name; copied, as is the next */
    const char *host;     /* as the configuration has it */
    int fd;               /* the connection to the server, which is taken over */
    dial_own_master_fn *done;
    void *arg;
};

/* Has the keeper start an ssh for a host of the upstream. The keeper limits the time that the login
 * takes. */
struct dial_own_master *dial_own_master_start(const struct own_master_request *request);

/* Whether its login waits for a person's answer. */
bool dial_own_master_is_asking(const struct dial_own_master *master);

/* `done` will not be called. */
void dial_own_master_forget(struct dial_own_master *master);

/* Ends the master, and frees it here. NULL is fine. */
void dial_own_master_hang_up(struct dial_own_master *master);

/* Frees it here, and leaves the master to its session, which ends it. NULL is fine. */
void dial_own_master_leave(struct dial_own_master *master);

#endif

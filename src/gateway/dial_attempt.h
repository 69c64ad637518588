/* One attempt to get a session: a connection (by TCP, through a jump host, or by a ProxyCommand),
 * then the login. Main thread only. */
#ifndef ADIT_GATEWAY_DIAL_ATTEMPT_H
#define ADIT_GATEWAY_DIAL_ATTEMPT_H

#include "gateway/places.h"
#include "gateway/pool.h"

struct dial_attempt;

/* Called once, never from inside dial_attempt_start: with a session, which is the callee's, or with
 * NULL and a sentence that says what failed. */
typedef void dial_attempt_done(void *arg, int slot, enum dial_status status,
                               struct logged_in *logged_in, const char *error);

/* What was seen until it ended. */
struct dial_seen {
    bool reached; /* there was a connection */
    struct connection_info info;
};

struct dial_attempt_request {
    struct pool_room *room;
    struct config *config; /* referenced until the attempt has ended */
    const struct config_upstream *upstream;
    struct place *place;
    int slot; /* given back to `done` */
    /* Those that the dial needs. The caller hangs up on them when the attempt has failed or was
     * cancelled, or when the session has ended. */
    struct dial_programs *programs;
    struct dial_seen *seen; /* set before `done`; NULL: nobody asks */
    dial_attempt_done *done;
    void *arg;
};

/* The request is copied. */
struct dial_attempt *dial_attempt_start(const struct dial_attempt_request *request);

/* Whether the error of a dial says that the host's name is not known. */
bool dial_error_is_of_name(const char *error);

/* Whether its login waits for a person's answer. */
bool dial_attempt_is_asking(const struct dial_attempt *attempt);

/* `done` will not be called. */
void dial_attempt_cancel(struct dial_attempt *attempt);

#endif

/* Where the channel of a trial leads: whether a server forwards is seen by its answer. Pure; any
 * thread. */
#ifndef ADIT_GATEWAY_TRIAL_TARGET_H
#define ADIT_GATEWAY_TRIAL_TARGET_H

#include "conf/config.h"

#include <stdint.h>

/* What the server is told of the client. */
#define TRIAL_ORIGIN "127.0.0.1"
#define TRIAL_ORIGIN_PORT 1

struct trial_target {
    bool wanted;     /* false: no channel is needed of this upstream */
    bool configured; /* what is configured leads there; else it is a port where nobody listens */
    char host[HOST_MAX + 1];
    uint16_t port;
    const char *path; /* of a unix socket, of the configuration; NULL: host and port */
};

/* The place that a channel of the upstream is to lead to: `given`, if there is one (-W); the target
 * of its first local forward; the host behind it, if it is a jump host; else a port of the server
 * itself that has no service. None if all that the configuration wants of the upstream is to listen
 * (-R). */
struct trial_target trial_target_of(const struct config *config,
                                    const struct config_upstream *upstream,
                                    const struct config_place *given);

/* "db.example.com port 5432", or a path; the caller frees. */
char *trial_target_text(const struct trial_target *target);

/* Whether a refused open says that the server forwards nothing there, rather than that the target
 * was not reached: reason and text of SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254 section 5.1). */
bool trial_target_is_refused(uint32_t reason, const char *text);

#endif

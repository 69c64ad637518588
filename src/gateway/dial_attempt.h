/* One attempt to get a session: a connection (to the host's address, through a jump host, or a
 * ProxyCommand's), then the SSH dial. Main thread only. */
#ifndef ADIT_GATEWAY_DIAL_ATTEMPT_H
#define ADIT_GATEWAY_DIAL_ATTEMPT_H

#include "gateway/pool.h"

/* One of an upstream's hosts. */
struct place {
    char name[HOST_MAX + 1];
    char alias[HOST_MAX + 1]; /* what ssh_config has it by, where that is not read before */
    uint16_t port;
    char label[HOSTPORT_TEXT_MAX]; /* for the log: the name, with a port that is not ssh's own */
    struct host_backoff *host;
    unsigned sessions; /* up, retiring or on their way */
};

/* From an entry of the upstream's hosts: "name", "name:port". */
void place_init(struct place *place, const struct pool_room *room,
                const struct config_upstream *upstream, const char *entry);

struct dial_attempt;

/* `done` is called once, never from inside this call: with a session, which is the callee's, or
 * with NULL and a sentence. `*proxy` is set when there is a ProxyCommand: the caller's, to be hung
 * up on when the attempt has failed or been cancelled, or the session has ended. */
struct dial_attempt *dial_attempt_start(struct pool_room *room, struct config *config,
                                        const struct config_upstream *upstream, struct place *place,
                                        int slot, struct proxy_command **proxy,
                                        void (*done)(void *arg, int slot, enum dial_status status,
                                                     struct logged_in *logged_in,
                                                     const char *error),
                                        void *arg);

/* Its login waits for an answer: "awaiting authentication". */
bool dial_attempt_is_asking(const struct dial_attempt *attempt);

/* `done` will not be called. */
void dial_attempt_cancel(struct dial_attempt *attempt);

#endif

/* One attempt to get a session: the host's name, a TCP connection, the SSH dial. Main thread only.
 */
#ifndef ADIT_GATEWAY_ATTEMPT_H
#define ADIT_GATEWAY_ATTEMPT_H

#include "gateway/pool.h"

/* One of an upstream's hosts. */
struct place {
    char name[HOST_MAX + 1];
    uint16_t port;
    char label[HOSTPORT_TEXT_MAX]; /* for the log: the name, with a port that is not ssh's own */
    struct host *host;
    unsigned sessions; /* up, retiring or on their way */
};

/* From an entry of `host =`: "name", "name:port", with `port` where it has none. */
void place_init(struct place *place, struct hosts *hosts, const char *entry, uint16_t port);

struct attempt;

/* `done` is called once, never from inside this call: with a session, which is the callee's, or
 * with NULL and a sentence. */
struct attempt *attempt_start(struct pool_room *room, struct config *config,
                              const struct config_upstream *upstream, struct place *place, int slot,
                              void (*done)(void *arg, int slot, enum dial_status status,
                                           struct dialled *dialled, const char *error),
                              void *arg);

/* Its login waits for an answer: "awaiting authentication". */
bool attempt_is_asking(const struct attempt *attempt);

/* `done` will not be called. */
void attempt_cancel(struct attempt *attempt);

#endif

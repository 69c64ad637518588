/* What a client counts for in the limits that cover it, and what they refuse it. A part of struct
 * client; on its worker's thread. */
#ifndef ADIT_WORKER_CLIENT_LIMITS_H
#define ADIT_WORKER_CLIENT_LIMITS_H

#include "io/paced.h"
#include "shared/limit_counts.h"
#include "wire/outcome.h"
#include "worker/client_machine.h"

struct client;
struct config_limit;

struct client_claim {
    const struct config_limit *limit; /* NULL: none */
    struct limit_claim claim;
    unsigned counted; /* 1 << enum limit_what, of each that is */
};

/* Of a limit's rate, in one direction. */
struct client_pace {
    struct client *client;
    int direction; /* 0: from the client */
};

struct client_limits {
    struct client_claim claims[LIMIT_PERS];
    struct client_pace paces[2];
    bool has_asked;       /* its first request is whole, with its login */
    bool refused;         /* there are too many, and it is still to be told so */
    enum outcome outcome; /* of the refusal, and words for it */
    const char *words;
};

/* The client, whose source is known now, begins to count. False: there are too many, and it is to
 * be cut; its outcome is set. (Of those over a limit the first ones may ask, to be told.) */
bool client_admit(struct client *client);

/* A hash of where the client comes from, as limits see it. */
uint64_t client_source_hash(const struct client *client);

/* How long the client may take to ask. */
uint64_t client_time_to_ask(const struct client *client);

/* Whether the client's password may be checked; and whether its whole request may be routed, for
 * the user who is known by then. False: client_refuse_limited refuses it. */
bool client_may_ask(struct client *client);
bool client_may_route(struct client *client);

/* The same of a channel that the server is to be asked for, which counts until one of the functions
 * below: the server has answered, or is not waited for any more. */
bool client_may_open(struct client *client);
void client_open_answered(struct client *client);
void client_open_abandoned(struct client *client);

/* The action finds that there are too many. */
enum client_event client_refuse_limited(struct client *client);

/* If the client has a rate, its endpoint and the one to its target have a pace from here on, for a
 * relay or an exchange; the endpoint that an exchange gives back is its own again, and bytes of it
 * that had to wait are appended to `held`. NULL is fine. */
void client_pace_begin(struct client *client);
struct endpoint *client_pace_end(struct endpoint *endpoint, struct buffer *held);

/* So many bytes of the client have come without having waited for its rate: what comes next waits
 * the longer. */
void client_pace_count(struct client *client, size_t bytes);

/* The client counts no more. */
void client_forget_limits(struct client *client);

#endif

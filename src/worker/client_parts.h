/* A client's inside, for the files that share the work on it: client.c (its life), client_ask.c
 * (what it wants), client_route.c (how it gets there), client_connect.c (how from this machine),
 * client_bind.c (how somebody gets to it), client_answer.c (what it is told). */
#ifndef ADIT_WORKER_CLIENT_PARTS_H
#define ADIT_WORKER_CLIENT_PARTS_H

#include "base/buffer.h"
#include "worker/client.h"
#include "io/connect.h"
#include "io/relay.h"
#include "io/resolver.h"
#include "wire/http.h"

enum client_state {
    CLIENT_ASKING,     /* says what it wants */
    CLIENT_VERIFYING,  /* its password is being checked, off this thread */
    CLIENT_RESOLVING,  /* its target's name is being looked up */
    CLIENT_WAITING,    /* no session is up */
    CLIENT_MOVING,     /* to the worker that has the session */
    CLIENT_OPENING,    /* the server was asked for a channel */
    CLIENT_CONNECTING, /* to its target, from this machine */
    CLIENT_BINDING,    /* somebody shall connect to it */
    CLIENT_RELAYING,
    CLIENT_CLOSING, /* refused; the rest of the reply waits until its endpoint takes it */
    CLIENT_ENDED,
};

/* What is needed until the relay starts, and not after. */
struct request {
    struct buffer in; /* bytes read and not consumed yet */
    bool eof;         /* the client has sent its end of data already */
    bool greeted;     /* SOCKS5: the method was agreed on */
    bool wants_password;
    struct wire_credentials credentials;
    struct wire_target target;
    size_t looked_at;      /* HTTP: so much of `in` was parsed in vain */
    struct buffer head;    /* WIRE_FORWARD: the head for the origin */
    struct http_body body; /* and how the body after it ends */
    size_t step;           /* of [resolve] order */
    struct ip *addresses;  /* that a look-up gave and the rules allow */
    size_t address_count;
    size_t address_next;
    uint64_t waited_ms;  /* of `hold` */
    uint64_t wait_began; /* in CLIENT_WAITING */
    uint64_t hold_ms;    /* how long a session is waited for */
    uint64_t asked_at;   /* the server, for a channel */
    bool bound;          /* BIND: who has come, for the reply */
    struct ip bound_ip;
    uint16_t bound_port;
    bool to_path;               /* the target is a unix socket, whose path is `opening` */
    char opening[HOST_MAX + 1]; /* the host or address being opened */
};

struct verification;

struct client {
    TAILQ_ENTRY(client) link;         /* worker->clients */
    TAILQ_ENTRY(client) waiting_link; /* worker->waiting, in CLIENT_WAITING */
    struct worker *worker;
    bool waiting;           /* on worker->waiting */
    struct message message; /* in CLIENT_MOVING */
    int moving_fd;
    struct buffer moving_unsent; /* what the endpoint still kept of replies */
    struct generation *generation;
    const struct config_listen *listen;     /* NULL: an internal connection of our own */
    struct internal_request *internal;      /* its strings are not kept; NULL: nobody is told */
    const struct config_upstream *upstream; /* once decided */
    struct session_table *table;            /* the upstream's */
    int slot;                               /* reserved there; -1: none */
    enum client_state state;
    enum wire_protocol protocol;
    enum wire_command command;
    bool protocol_known;
    bool from_ip;
    uint16_t peer_port;
    struct ip peer;
    struct endpoint *endpoint; /* its socket or channel; NULL: the relay has it, or moving */
    struct deadline deadline;  /* handshake, hold, open_timeout or the end of CLIENT_CLOSING */
    struct request *request;   /* NULL once relaying */
    struct verification *verification;
    struct resolve *resolve;
    struct session_open *open;
    struct session_listen *bind;      /* in CLIENT_BINDING */
    bool via_remote_forward;          /* came in at the far side: leads to this machine's network */
    struct forwarded_open *forwarded; /* how, until it is answered */
    struct connect *connect;          /* in CLIENT_CONNECTING */
    struct later
        parse_later; /* bytes or their end came from a channel: they are parsed outside of it */
    struct relay *relay;
    bool cut;  /* the relay did not end in order */
    char *why; /* in CLIENT_CLOSING: the access line's `end` */
    /* For the access line. */
    uint64_t began;
    char *user;      /* authenticated, or SOCKS4's USERID; NULL */
    char *target;    /* "host:port", or a path */
    char *bound;     /* BIND: where the server listens, as the client was told; NULL */
    char *bind_peer; /* BIND: who connected there, in the server's words; NULL */
    const struct acl_rule *rule;
    bool judged;
    bool allowed;
    enum outcome outcome;
    uint64_t bytes[2];
};

/* client.c */

/* The one place where a state changes. */
void client_set_state(struct client *client, enum client_state state);

/* The access line, and the end of everything. `why` as the line's `end`. */
void client_end(struct client *client, const char *why);

/* The same once the endpoint has sent all replies, for which the client has some seconds; else the
 * connection is aborted. Whatever else is under way for the client stops now. */
void client_end_after_reply(struct client *client, const char *why);

/* Gives everything back without a word; it is on no worker's list any more. */
void client_free(struct client *client);

/* What was asked is of no use any more: the relay has begun. */
void client_forget_request(struct client *client);

/* The client's socket is its own again (after a move, at the beginning): its bytes go to the
 * request. */
void client_listen(struct client *client);

/* client_ask.c */

/* Looks at the bytes that came: parses as far as they go. Ends the client when its end of data came
 * behind them and they are no whole request. */
void client_ask(struct client *client);

/* The password check that is under way is of no interest any more. */
void client_forget_verification(struct client *client);

/* client_route.c */

/* Judges, resolves, chooses and opens; ends in client_answer_open or client_refuse. */
void client_route(struct client *client);

/* Judges the target as named, or one of the addresses it has. On allow the upstream is set. */
bool client_judge(struct client *client, const struct ip *ip);

/* What the rules say to such a host and address, with the target's port. Changes nothing. */
struct acl_verdict client_verdict(const struct client *client, const char *host,
                                  const struct ip *ip);

/* Looks the target's name up; `done`, with the client, as resolver_lookup's. */
void client_look_up(struct client *client, enum resolve_step step,
                    void (*done)(void *arg, enum resolve_status status, const struct ip *addresses,
                                 size_t count, const char *error));

/* Keeps those of the target's addresses that are allowed. False: there are none. */
bool client_keep_allowed(struct client *client, const struct ip *addresses, size_t count,
                         bool (*allowed)(struct client *client, const struct ip *ip));

/* Stops whatever routing waits for. */
void client_unroute(struct client *client);

/* Gives the reservation on a session back. */
void client_release_slot(struct client *client);

/* client_connect.c */

/* Connects from this machine, as far as the rules allow; ends in client_answer_open or
 * client_refuse. */
void client_connect(struct client *client);

/* Stops that, and refuses what came in and was not answered. */
void client_disconnect(struct client *client);

/* client_bind.c */

/* RFC 1928 section 6, BIND: has the session's server listen, tells the client where, and waits for
 * one connection there; ends in client_answer_open or client_refuse. */
void client_bind(struct client *client, struct session *session);

/* Stops that. */
void client_unbind(struct client *client);

/* client_answer.c */

/* The first of two replies to a BIND: where the server listens. */
void client_say_bound(struct client *client, const struct ip *ip, uint16_t port);

/* Tells the owner of an internal connection how it is answered, once. */
void client_report(struct client *client, enum outcome outcome, const char *detail);

/* The channel is open: answers, and starts the relay. */
void client_answer_open(struct client *client, struct endpoint *channel);

/* Answers with a failure in the protocol's words (`detail`: more words, may be NULL) and ends, at
 * once or when the endpoint has taken all of the reply. */
void client_refuse(struct client *client, enum outcome outcome, const char *detail);

#endif

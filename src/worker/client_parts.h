/* The inside of a client, for the files that share the work on it:
 *
 *   client.c          its beginning, its endpoint's events, and client_event, which performs what
 *                     client_machine says
 *   client_header.c   the PROXY protocol's header before the request
 *   client_ask.c      parsing the request, checking a password
 *   client_password.c checking a password
 *   client_limits.c   what the client counts for, and whether that is too many
 *   client_route.c    rules, names and addresses
 *   client_session.c  choosing a session, waiting for one, moving to its worker
 *   client_open.c     a channel of the session
 *   client_connect.c  a connection from this machine (remote forwards)
 *   client_bind.c     a listening port at the server (BIND)
 *   client_answer.c   what the client is told, and the relay
 *   client_shell.c    what an ssh(1) at the control socket has besides a channel
 *   client_exchange.c one HTTP request and its response; then the next request
 *   client_ahead.c    requests that go to the origin before their turn
 *   client_kept.c     connections to origins that are kept for the next requests
 *   client_idle.c     ending what nothing passes through (idle_timeout)
 *   client_end.c      lingering, the access line, freeing
 *
 * A function that is an action (client_machine.h) returns the event that it found out, or
 * CLIENT_NOTHING; client_event handles it. What waits for somebody (a deadline, the resolver, a
 * server) calls client_event when the answer has come. After that call the client may be freed, or
 * another worker's. */
#ifndef ADIT_WORKER_CLIENT_PARTS_H
#define ADIT_WORKER_CLIENT_PARTS_H

#include "base/buffer.h"
#include "io/connect.h"
#include "io/relay.h"
#include "io/resolver.h"
#include "wire/http.h"
#include "worker/client.h"
#include "worker/client_limits.h"
#include "worker/client_machine.h"
#include "worker/open_race.h"

/* client_ask.c: what has been read of the request. */
struct client_reading {
    struct buffer in;              /* bytes that came and are not consumed yet */
    bool eof;                      /* the client has sent its end of data */
    bool wants_header;             /* a balancer's header comes first: client_header.c */
    bool greeted;                  /* SOCKS5: a method was agreed on */
    bool wants_password;           /* SOCKS5: the next message is the password's */
    bool whole;                    /* HTTP: only the password is still to be checked */
    size_t looked_at;              /* HTTP: how much of `in` was parsed in vain */
    struct http_progress progress; /* HTTP */
    struct wire_credentials credentials;
};

/* client_route.c: which way is tried. */
struct client_way {
    bool to_path;         /* the target is a unix socket, whose path is `opening` */
    size_t step;          /* of [resolve] order */
    struct ip *addresses; /* those of the target that the rules allow */
    size_t address_count;
    size_t address_next;
    char opening[HOST_MAX + 1]; /* the host or address to be opened */
    bool by_address;            /* it is an address that a name led to: */
    struct ip address;
    struct resolve *resolve; /* while a name is looked up */
};

/* client_session.c: waiting for a session. */
struct client_hold {
    uint64_t limit_ms;  /* 0: the upstream's */
    uint64_t waited_ms; /* of it, until the wait that is under way */
    uint64_t began;     /* that wait, or the last one; 0: there was none */
};

/* client_exchange.c: what an HTTP request says of itself. */
struct client_http {
    struct http_body body; /* how its body ends */
    bool old;              /* HTTP/1.0 */
    bool close;            /* the connection is to be closed after the response */
    bool is_head;
    bool repeatable;
    enum outcome last_hop; /* what adit itself answers, or OUTCOME_OK: the origin answers */
    bool kept;             /* it goes by a connection that was kept ... */
    bool sent;             /* ... on which it was sent ahead of its turn */
    bool pipelines;        /* ... or may be asked before it has answered (http_exchange.h) */
    bool retried;          /* such a connection was stale: no other one is tried */
    char upgrade[HTTP_UPGRADE_MAX + 1];
};

/* client_open.c: the one limit of time for all that is asked. */
struct client_limit {
    uint64_t began;     /* when the first server was asked; 0: none was */
    uint64_t waited_ms; /* what the client had waited for a session by then */
};

/* client_open.c: a second attempt of the race, beside the one on client_session's slot. */
struct client_beside {
    bool under_way;
    unsigned attempt;      /* its number in the race */
    int slot;              /* reserved for it, in client_session's table */
    unsigned abandoned;    /* attempts that were given up for others so far */
    struct deadline delay; /* until the next address is tried */
};

/* What is needed until the relay starts, and not after; of an HTTP request until its exchange ends.
 */
struct client_request {
    struct client *client; /* for deadlines that lie here; set while opening */
    struct wire_target target;
    struct client_reading reading;
    struct client_http http;   /* WIRE_FORWARD */
    struct buffer head;        /* likewise: the head for the origin */
    struct buffer from_origin; /* after an upgrade: what has come from the origin already */
    struct client_way way;
    struct client_hold hold;
    struct session *chosen; /* the session that client_choose found, for the next action only */
    struct open_race race;  /* client_open.c */
    unsigned attempt;       /* the number there of the attempt on client_session's slot */
    struct client_beside beside;
    struct client_limit limit;
    uint64_t asked_at;       /* when the server was asked for a channel */
    struct endpoint *opened; /* the way to the target, from CLIENT_OPENED until the relay starts */
    bool bound;              /* BIND: the reply names an address, which is: */
    struct ip bound_ip;
    uint16_t bound_port;
    char why[300]; /* why the client was refused, or why it lingers, for the access line */
};

/* client_header.c: where a connection comes from whose client is another one. */
struct balancer {
    bool is_ip;
    uint16_t port;
    struct ip ip;
};

/* client.c, client_header.c: where the client is. */
struct client_origin {
    bool via_remote_forward; /* it came in at the far side, and its target is reached from here */
    bool is_ip;              /* `ip` and `port` are known */
    uint16_t port;
    struct ip ip;
    struct balancer *balancer; /* that says so; NULL: the connection comes from there */
    char *id;                  /* the balancer's name for the connection; NULL */
};

/* client_ask.c: what the client asked for. */
struct client_wish {
    bool protocol_known;
    enum wire_protocol protocol;
    enum wire_command command;
    char *user;   /* authenticated; NULL */
    char *tried;  /* the user whose login failed; NULL */
    char *target; /* "host:port", or a path */
};

/* client_route.c: what the rules said. */
struct client_verdict {
    bool judged;
    bool allowed;
    const struct acl_rule *rule;
};

/* client_session.c: the session, and the way to it. */
struct client_session {
    const struct config_upstream *upstream; /* NULL until it is decided */
    struct session_table *table;            /* the upstream's */
    int slot;                               /* reserved there; -1: none */
    bool waiting;                           /* on worker->waiting */
    bool moving;                            /* in CLIENT_MOVING, between two workers */
    int moving_fd;                          /* likewise: the client's socket */
    struct buffer moving_unsent;            /* likewise: what its endpoint kept of replies */
    struct message moving_message;          /* likewise */
};

/* client_bind.c */
struct client_bind {
    struct session_listen *listen; /* in CLIENT_BINDING */
    char *bound;                   /* where the server listens, as the client was told */
    char *peer;                    /* the address that connected, in the server's words */
};

/* client_idle.c: what has passed of late. */
struct client_idle {
    uint64_t bytes; /* both ways, when that was looked at last */
    uint64_t since; /* since when they have been so many */
};

struct client_ahead;
struct client_shell;
struct http_exchange;
struct kept_channel;
struct password_check;

struct client {
    TAILQ_ENTRY(client) link;         /* worker->clients */
    TAILQ_ENTRY(client) waiting_link; /* worker->waiting */
    struct worker *worker;
    unsigned long long number;
    enum client_state state;
    struct generation *generation;
    const struct config_listen *listen; /* NULL: an internal connection */
    struct internal_request *internal;  /* its strings are not kept; NULL: the connection is none */
    struct endpoint *endpoint;          /* NULL: the relay has it, or it is no endpoint (yet) */
    struct deadline deadline;           /* see client_state_has_deadline */
    struct later parse_later;           /* a channel has brought bytes, or their end */
    struct client_request *request;     /* NULL once relaying */
    const char *words; /* to the event that is handled, or NULL; see client_event */
    struct client_origin origin;
    struct client_wish wish;
    struct client_verdict verdict;
    struct client_limits limits;
    struct client_session session;
    struct client_bind bind;
    struct password_check *check;     /* client_password.c; in CLIENT_CHECKING */
    struct forwarded_open *forwarded; /* client_connect.c: how it came, until that is answered */
    struct connect *connect;          /* client_connect.c; in CLIENT_CONNECTING */
    struct service_request *path_connect; /* the same, to a unix socket */
    struct relay *relay;                  /* client_answer.c */
    struct client_shell *shell;           /* client_shell.c; NULL: the client is no shell */
    struct http_exchange *exchange;       /* client_exchange.c */
    LIST_HEAD(, kept_channel) kept;       /* client_kept.c */
    struct client_ahead *ahead;           /* client_ahead.c; NULL: no request went ahead so far */
    struct client_idle idle;              /* client_idle.c */
    /* For the access line (client_end.c). */
    uint64_t began;
    uint64_t reached; /* when the target was, by the same clock; 0: it was not, or before */
    bool cut;         /* the relay did not end in order */
    enum outcome outcome;
    uint64_t bytes[2];
};

/* client.c */

/* Handles an event: performs what client_machine says, and so on with what the actions find out.
 * `words` are for the access line (why the connection ended) or for the client (why it is refused),
 * where the event leads to that; NULL: none. They need to be valid during the call only. */
void client_event(struct client *client, enum client_event event, const char *words);

/* The action finds that the client is refused; `words` as client_event's. */
enum client_event client_refused(struct client *client, enum outcome outcome, const char *words);

/* The same as an event. */
void client_refuse(struct client *client, enum outcome outcome, const char *words);

/* The client's socket is its own (again, after a move): its bytes go to the request. */
void client_listen(struct client *client);

/* Frees what is needed until the relay starts. */
void client_forget_request(struct client *client);

enum client_event client_begin_request(struct client *client); /* an action: CLIENT_BEGIN */

/* client_header.c */

/* Whether the connection comes from a balancer of the listener, and begins with its header. */
bool client_comes_by_balancer(const struct config_listen *listen,
                              const struct accepted *connection);

/* Parses the header: CLIENT_BYTES (it is whole), CLIENT_UNSERVED (it is none) or CLIENT_NOTHING
 * (there is more to come). */
enum client_event client_parse_header(struct client *client);

/* Frees what the header has said. */
void client_forget_origin(struct client *client);

/* client_ask.c */

enum client_event client_parse(struct client *client); /* an action */

/* client_password.c */

enum client_event client_check(struct client *client); /* an action */

/* Whether the password was checked a short time ago, and was right. */
bool client_password_is_known(const struct client *client, const struct wire_credentials *given);

/* Gives up the password check that is under way: its result is ignored. */
void client_forget_check(struct client *client);

/* client_route.c */

enum client_event client_route(struct client *client);    /* an action */
enum client_event client_route_on(struct client *client); /* an action */
enum client_event client_look_up(struct client *client);  /* an action */

/* What the rules say to such a host and address, with the target's port. Changes nothing. */
struct acl_verdict client_ask_rules(const struct client *client, const char *host,
                                    const struct ip *ip);

/* The address did not answer before another one did: for a while it is tried last. */
void client_note_silent(struct client *client, const struct ip *address);

/* Judges the target as named, or one of its addresses. If that is allowed the upstream is set. */
bool client_judge(struct client *client, const struct ip *ip);

/* Whether the server looks the name up that is opened. */
bool client_opens_name(const struct client *client);

/* An open failed, or a look-up: whether there is another address or another look-up to try. */
bool client_has_next(struct client *client, enum outcome outcome);

/* Stops the look-up. */
void client_unroute(struct client *client);

/* client_session.c */

enum client_event client_choose(struct client *client); /* an action */
enum client_event client_wait(struct client *client);   /* an action */
enum client_event client_move(struct client *client);   /* an action */

/* The client waits no more. */
void client_stop_waiting(struct client *client);

/* Whether the server may take long to resolve the name that is to be opened (policy/balance). */
bool client_open_may_block(const struct client *client);

/* Gives the reservation on a session back. */
void client_release_slot(struct client *client);

/* client_open.c */

enum client_event client_open(struct client *client);           /* an action */
enum client_event client_open_elsewhere(struct client *client); /* an action */
enum client_event client_open_next(struct client *client);      /* an action */

/* Whether client_open_elsewhere would ask on another session now. */
bool client_may_open_elsewhere(const struct client *client);

/* The session is overdue: if the client's name is what its server is probably resolving, the name
 * is noted as slow. */
void client_note_slow_name(const struct client *client);

/* Stops opening. */
void client_unopen(struct client *client);

/* client_connect.c */

enum client_event client_connect(struct client *client); /* an action */

/* Whether a client that came by a remote forward may go to its target, or to one of its addresses.
 */
bool client_may_connect(struct client *client, const struct ip *ip);

/* Stops connecting, and refuses the forwarded open that was not answered. */
void client_disconnect(struct client *client);

/* client_bind.c */

enum client_event client_bind(struct client *client);       /* an action */
enum client_event client_tell_bound(struct client *client); /* an action */

/* Stops listening. */
void client_unbind(struct client *client);

/* client_answer.c */

enum client_event client_tell_refusal(struct client *client); /* an action: CLIENT_REFUSE */
enum client_event client_answer(struct client *client);       /* an action */
enum client_event client_relay(struct client *client);        /* an action */
enum client_event client_reset(struct client *client);        /* an action */

/* Tells the client where the server listens, which is the first of two replies to a BIND. */
void client_say_bound(struct client *client);

/* Tells the owner of an internal connection how it is answered, once. */
void client_report(struct client *client, enum outcome outcome, const char *detail);

/* A relay or an exchange was cut. */
void client_count_cut(struct client *client);

/* Stores why a relay or an exchange was cut in `why`; `side` is 0 for the client. */
void client_describe_cut(const struct client *client, int side, const char *reason, char *why,
                         size_t size);

/* The relay has ended, and what belongs to it, too. */
void client_relay_ended(struct client *client, const struct relay_result *result);

/* client_exchange.c */

enum client_event client_exchange(struct client *client); /* an action */
enum client_event client_renew(struct client *client);    /* an action */

/* Whether the client's connection may stay open behind a response. After a reload it may not, so
 * that its next request gets the new configuration. */
bool client_may_stay(const struct client *client);

/* client_ahead.c */

/* See http_exchange_next_fn; `arg` is the client, in an exchange over a connection that is kept. */
enum wire_status client_send_ahead(void *arg, struct text bytes, struct buffer *head, size_t *used);

/* How many requests behind the current one are under way, and how many of the client's bytes they
 * are. */
size_t client_ahead_count(const struct client *client);
size_t client_ahead_bytes(const struct client *client);

/* How many bytes are kept for them in memory, besides the client's. */
size_t client_ahead_held(const struct client *client);

/* What has come of the response to the first of them. */
struct buffer *client_ahead_response(struct client *client);

/* What has come behind that, and had to wait for the client's rate. */
struct buffer *client_ahead_waiting(struct client *client);

/* The turn of the client's next request has come, which is parsed. Returns whether it is under way
 * on the connection that the request before it used: the first one of those, which are one less
 * now. */
bool client_ahead_turn(struct client *client);

/* That connection has ended: what was under way there is not. */
void client_forget_ahead(struct client *client);

/* The client ends: writes the access lines of requests that the origin was sent, and whose turn
 * does not come. The client's wish, verdict and counts are theirs then. */
void client_log_ahead(struct client *client);

void client_free_ahead(struct client *client);

/* client_kept.c */

/* Whether the connection that the request uses can be kept: one of a session. (To connect from here
 * costs no round trip through the tunnel.) */
bool client_can_keep(const struct client *client);

/* Keeps the connection that the request used, which is open. Takes its place at the session. */
void client_keep(struct client *client, struct endpoint *origin);

/* Takes a kept connection to the request's target out, if the rules allow the request and lead it
 * there. */
bool client_take_kept(struct client *client);

/* Closes all that are kept. */
void client_drop_kept(struct client *client);

/* client_idle.c */

/* Ends the relay or exchange, which has just begun, when nothing has passed for the listener's
 * idle_timeout. What passes is looked at now and then, so that no byte costs more. */
void client_watch_idle(struct client *client);

/* client_end.c */

/* Writes the access line of the client's request, and counts it. */
void client_log_request(struct client *client);

enum client_event client_linger(struct client *client);  /* an action */
enum client_event client_end(struct client *client);     /* an action */
enum client_event client_discard(struct client *client); /* an action */

#endif

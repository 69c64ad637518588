/* Global requests (RFC 4254 section 4), one at a time, as libssh has it: tcpip-forward and its
 * cancel, and keepalives between them. Only for this room.
 *
 * libssh keeps one state for all of them. A call that finds an earlier request unanswered sends
 * nothing and returns that one's answer; which of both happened is in its log only, and so the log
 * is read. The port that the server allocated is read from the packet that came last, which is the
 * right one only until libssh goes on to the next. Where it has the next already it writes a line
 * between the two, and there the answer can be collected, which then neither reads nor writes
 * anything; where it has not, it is collected before libssh is given more. */
#ifndef ADIT_SESSION_LIBSSH_GLOBAL_REQUESTS_H
#define ADIT_SESSION_LIBSSH_GLOBAL_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct libssh_session;

/* One request. Embed it. */
struct global_request {
    TAILQ_ENTRY(global_request) link;
    bool cancel; /* cancel-tcpip-forward, else tcpip-forward */
    const char *bind;
    uint16_t port;
    /* What became of it, outside of libssh's callbacks; `port` is what the server listens on, 0
     * when it refused or when that could not be known. */
    void (*answered)(struct global_request *request, bool accepted, uint16_t port);
};

struct global_requests {
    TAILQ_HEAD(, global_request) queue;
    uint64_t asked_at;  /* loop_now */
    uint64_t probed_at; /* the same */
    uint64_t probed_us; /* the same, by clock_now_us */
    bool probing;       /* a keepalive is out that measures the way there and back */
    bool kept_alive;    /* a keepalive was sent */
    bool unimplemented; /* the server answered one, or a request, with UNIMPLEMENTED: libssh waits
                           for an answer ever after and sends no other */
    bool asked;         /* libssh has the first request of the queue */
    bool fresh;         /* a request was queued that libssh was not called for yet */
    /* What the log said. */
    bool sent;         /* during the last call: a request went out */
    bool assumed;      /* the same, as packets told and not the log */
    bool success_seen; /* the answer is there */
    bool collected;    /* and was taken: */
    bool passed;       /* packets came after it before it was */
    int port;
};

void global_requests_init(struct global_requests *global_requests);

/* Puts the request, which stays the caller's, at the end of the queue; the session's next turn
 * asks. */
void global_requests_ask(struct libssh_session *session, struct global_request *request);

/* Takes the request off the queue. False: libssh has it already, and it will be answered. */
bool global_requests_withdraw(struct libssh_session *session, struct global_request *request);

/* Asks, and collects answers; once a turn and outside of libssh's callbacks, as its calls read
 * what comes. */
void global_requests_turn(struct libssh_session *session);

/* Sends a keepalive@openssh.com, unless a request is under way whose answer is as good. */
void global_requests_keepalive(struct libssh_session *session);

/* Sends one to learn how long the way there and back is. Replies to opens say only that the way is
 * not longer: they wait for the server's own connections, and the first for its start. */
void global_requests_probe(struct libssh_session *session);

/* Called from time to time: gives up a measurement that stays unanswered. */
void global_requests_tick(struct libssh_session *session);

/* After each of libssh's looks at its input: collects an answer that came last. */
void global_requests_collect(struct libssh_session *session);

/* The level that libssh's log has to have. */
int global_requests_log_level(const struct global_requests *global_requests);

/* A line of it. */
void global_requests_read_log(struct libssh_session *session, const char *function,
                              const char *text);

#endif

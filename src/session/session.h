/* A session: one SSH connection that is logged in, driven without blocking on a worker's loop, and
 * the channels that it carries.
 *
 * This room holds headers only, as io/endpoint.h is one: it says what an engine offers, and its
 * callers (worker/) know no engine. Each engine is a room of its own (session_libssh/) that fills a
 * `struct session_operations`, and embeds the structs below in its own as their first member.
 * Everything here belongs to the thread whose loop the session was started on (login.h).
 *
 * No event comes from inside an operation. The session, its opens, its listens and its channels end
 * as each comment says. */
#ifndef ADIT_SESSION_SESSION_H
#define ADIT_SESSION_SESSION_H

#include "base/ip.h"
#include "io/endpoint.h"
#include "io/loop.h"
#include "session/shell.h"

#include <sys/queue.h>

struct forwarded_open;
struct session_listen;
struct session_open;
struct tcp_target;

/* Why a channel did not open. */
struct open_failure {
    bool lost;        /* the session died before the answer: another session may do */
    uint32_t reason;  /* else the code of RFC 4254 section 5.1 */
    const char *text; /* the server's words, or why the session died; valid during the call */
};

/* Called once with a paused endpoint, which is the callee's, or with NULL and the failure. */
typedef void session_opened_fn(void *arg, struct endpoint *channel,
                               const struct open_failure *failure);

/* A forwarded open is gone, since its session died before it was answered. */
typedef void forwarded_open_lost_fn(void *arg);

/* Where the server is to listen. */
struct listen_place {
    const char *forward; /* the name of its [forward]; NULL: it is a client's own (SOCKS BIND) */
    /* "" is every address, "localhost" loopback, else an address or name (sshd_config(5),
     * GatewayPorts); or, with `is_unix`, the path of a unix socket at the server. */
    const char *bind;
    bool is_unix;
    uint16_t port; /* 0: the server picks one */
};

/* What the server answers. */
struct listen_answer {
    bool listens;
    uint16_t port;   /* that it listens on; 0 for a unix socket */
    const char *why; /* it does not: in its words, valid during the call; NULL: it has said none */
};

struct session_listen_events {
    /* Called once. The callee may free the listen; if it was refused the callee must. */
    void (*answered)(void *arg, const struct listen_answer *answer);
    /* A connection came in, from `origin` in the server's words (valid until it is answered; "": it
     * is not known). The callee answers it, now or later. */
    void (*forwarded)(void *arg, struct forwarded_open *forwarded, const char *origin,
                      uint16_t origin_port);
    /* The session died, and the listen is gone. */
    void (*lost)(void *arg);
};

/* What a session carries at this moment. */
struct session_state {
    uint64_t bytes_in; /* over the connection, so far */
    uint64_t bytes_out;
    uint64_t carried;       /* of these, what channels brought and took */
    uint32_t channels;      /* open or being opened, abandoned ones too */
    uint32_t abandoned;     /* opens that were cancelled and that the server has not answered */
    uint64_t silent_ms;     /* while an open waits, or session_check: how long the server has sent
                               nothing     at all; else 0 */
    bool round_trip_known;  /* the way to the server and back: the shortest that was seen ... */
    uint64_t round_trip_ms; /* ... which is 0 where it is not known */
    uint64_t keepalive_answers; /* keepalives after which the server has sent something ... */
    uint64_t keepalive_ms;      /* ... and how long that took the last time */
    /* The open that waits for its answer for the longest time, of cancelled ones too; NULL: none
     * waits. A server that resolves names one after another resolves this one's. Only to be
     * compared. */
    const struct session_open *oldest;
};

/* One measurement of the way to the server and back. Embed it; `link` and `asked_at` are the
 * engine's. */
struct session_ping {
    TAILQ_ENTRY(session_ping) link;
    uint64_t asked_at;
    /* Called once: the server answered after `microseconds`; or `failure` says why none is known:
     * then it may be called from inside session_free, too. */
    void (*answered)(struct session_ping *ping, const char *failure, uint64_t microseconds);
};

struct session {
    const struct session_operations *operations;
};

/* What an engine fills in. Each is described at the function of the same name below. */
struct session_operations {
    void (*free)(struct session *session);
    struct session_open *(*open_tcp)(struct session *session, const struct tcp_target *target,
                                     session_opened_fn *opened, void *arg);
    struct session_open *(*open_unix)(struct session *session, const char *path,
                                      session_opened_fn *opened, void *arg);
    struct session_open *(*open_shell)(struct session *session, const struct shell_target *target,
                                       session_opened_fn *opened, void *arg);
    void (*shell_resize)(struct session_shell *shell, const struct shell_size *size);
    void (*open_cancel)(struct session_open *open);
    struct session_listen *(*listen)(struct session *session, const struct listen_place *place,
                                     const struct session_listen_events *events, void *arg);
    void (*listen_free)(struct session_listen *listen);
    void (*forwarded_own)(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost,
                          void *arg);
    struct endpoint *(*forwarded_accept)(struct forwarded_open *forwarded);
    void (*forwarded_refuse)(struct forwarded_open *forwarded);
    bool (*peer)(const struct session *session, struct ip *peer);
    void (*probe)(struct session *session);
    void (*check)(struct session *session);
    void (*ping)(struct session *session, struct session_ping *ping); /* NULL: it cannot */
    void (*state)(const struct session *session, struct session_state *state);
    void (*tick)(struct session *session);
    void (*cut)(struct session *session, const char *why);
};

/* Ends it with SSH_MSG_DISCONNECT and frees it. Channels must be gone and opens cancelled, unless
 * the session was lost. Allowed anywhere but inside a data event. NULL is fine. */
static inline void session_free(struct session *session)
{
    if (session != NULL)
        session->operations->free(session);
}

/* Opening channels. */

/* One channel being opened. It ends with its answer; after session_open_cancel it is the engine's
 * own. */
struct session_open {
    const struct session_operations *operations;
};

struct tcp_target {
    const char *host; /* a name or an address, for the server to reach */
    uint16_t port;
    const char *origin; /* the address that the client came from */
    uint16_t origin_port;
};

/* Asks for a direct-tcpip channel (RFC 4254 section 7.2). Everything in `target` is copied. */
static inline struct session_open *session_open_tcp(struct session *session,
                                                    const struct tcp_target *target,
                                                    session_opened_fn *opened, void *arg)
{
    return session->operations->open_tcp(session, target, opened, arg);
}

/* Asks for a channel to a unix socket at the server (direct-streamlocal@openssh.com, PROTOCOL
 * section 2.4 of OpenSSH). */
static inline struct session_open *session_open_unix(struct session *session, const char *path,
                                                     session_opened_fn *opened, void *arg)
{
    return session->operations->open_unix(session, path, opened, arg);
}

/* Asks for a channel that runs a command. Everything is copied. `opened` is called when the server
 * was asked to run the command; a failure before says that nothing has run. */
static inline struct session_open *session_open_shell(struct session *session,
                                                      const struct shell_target *target,
                                                      session_opened_fn *opened, void *arg)
{
    return session->operations->open_shell(session, target, opened, arg);
}

/* A shell channel that has started. */
struct session_shell {
    const struct session_operations *operations;
};

/* Its terminal has another size. */
static inline void session_shell_resize(struct session_shell *shell, const struct shell_size *size)
{
    shell->operations->shell_resize(shell, size);
}

/* `opened` will not be called. The server's answer is still waited for, then the channel is closed:
 * to forget the channel would leak the server's connection. */
static inline void session_open_cancel(struct session_open *open)
{
    open->operations->open_cancel(open);
}

/* Remote forwards. */

/* What the server listens on for us: a port (RFC 4254 section 7.1), or a unix socket
 * (streamlocal-forward@openssh.com, PROTOCOL section 2.4 of OpenSSH). */
struct session_listen {
    const struct session_operations *operations;
};

/* Asks the server to listen there. Everything is copied. An engine that cannot answers that it is
 * refused. */
static inline struct session_listen *session_listen(struct session *session,
                                                    const struct listen_place *place,
                                                    const struct session_listen_events *events,
                                                    void *arg)
{
    return session->operations->listen(session, place, events, arg);
}

/* The server shall listen no more; connections that came in by the listen go on. No event comes. */
static inline void session_listen_free(struct session_listen *listen)
{
    listen->operations->listen_free(listen);
}

/* A connection that came to a listen and waits for an answer (RFC 4254 section 7.2,
 * "forwarded-tcpip"). It ends with its answer, or when its session dies. */
struct forwarded_open {
    const struct session_operations *operations;
};

/* `lost` is called if the session dies before the forwarded open was answered; to be called from
 * inside `forwarded` unless the forwarded open is answered there. */
static inline void forwarded_open_own(struct forwarded_open *forwarded,
                                      forwarded_open_lost_fn *lost, void *arg)
{
    forwarded->operations->forwarded_own(forwarded, lost, arg);
}

/* The server is told yes, and the forwarded open becomes a paused endpoint, which is the caller's.
 * (With a session that just died the endpoint is cut at once.) */
static inline struct endpoint *forwarded_open_accept(struct forwarded_open *forwarded)
{
    return forwarded->operations->forwarded_accept(forwarded);
}

/* The server is told no. (libssh knows only the reason "administratively prohibited".) */
static inline void forwarded_open_refuse(struct forwarded_open *forwarded)
{
    forwarded->operations->forwarded_refuse(forwarded);
}

/* What is known of a session. */

/* The address of the other end of its connection; false: that is no TCP connection of ours (behind
 * a jump host, a ProxyCommand). */
static inline bool session_peer(const struct session *session, struct ip *peer)
{
    return session->operations->peer(session, peer);
}

/* Asks at once whether the server still answers, e.g. after a sleep of the machine. */
static inline void session_probe(struct session *session)
{
    session->operations->probe(session);
}

/* Asks for a sign of life: until one comes, the session counts as silent (session_state). */
static inline void session_check(struct session *session)
{
    session->operations->check(session);
}

/* Sends what the server answers at once, and measures how long that takes; within ten seconds there
 * is an answer or a failure. False, and nothing comes: the engine has no means for it. */
static inline bool session_ping(struct session *session, struct session_ping *ping)
{
    if (session->operations->ping == NULL)
        return false;
    session->operations->ping(session, ping);
    return true;
}

static inline void session_state(const struct session *session, struct session_state *state)
{
    session->operations->state(session, state);
}

/* To be called about four times a second: keeps `silent_ms` honest by a probe of its own. */
static inline void session_tick(struct session *session)
{
    session->operations->tick(session);
}

/* Ends it with all its channels, as if it were lost: `lost` is called later in the turn. `why` is a
 * constant. */
static inline void session_cut(struct session *session, const char *why)
{
    session->operations->cut(session, why);
}

#endif

/* One SSH session, driven without blocking on a worker's loop, and the channels it carries. */
#ifndef ADIT_SESSION_SESSION_H
#define ADIT_SESSION_SESSION_H

#include "base/ip.h"
#include "io/endpoint.h"
#include "io/loop.h"
#include "session/login.h"

struct session;

struct session_options {
    uint64_t keepalive_ms;  /* a keepalive after so long without a byte received; 0: none */
    unsigned keepalive_max; /* so many unanswered ones and the session is dead */
    /* Called once when the session has died, before its channels and opens are told: from here on
     * it must not be asked for another channel. */
    void (*dying)(void *arg);
    /* Called once when the session has died, after all its channels and opens were told; not after
     * session_free. The callee may free the session inside. `why` is a few words for the log. */
    void (*lost)(void *arg, const char *why);
    void *arg;
};

/* Takes over what a dial made; `logged_in` is the session's on success only. NULL: the kernel would
 * not poll it. */
struct session *session_new(struct loop *loop, struct logged_in *logged_in,
                            const struct session_options *options);

/* Ends it with SSH_MSG_DISCONNECT and frees it. Channels must be gone and opens cancelled, unless
 * it was lost. Allowed anywhere but inside a data event. NULL is fine. */
void session_free(struct session *session);

/* Why a channel did not open. */
struct open_failure {
    bool lost;        /* the session died before the answer: another one may do */
    uint32_t reason;  /* else RFC 4254 section 5.1's code */
    const char *text; /* the server's words, or why it died; valid during the call */
};

/* One channel being opened. */
struct session_open;

/* Asks for a direct-tcpip channel (RFC 4254 section 7.2) to `host`:`port`; `origin` is the address
 * the client came from, as text. `done` is called once, never from inside this call: with a paused
 * endpoint, the callee's, or with NULL and the failure. */
struct session_open *session_open_tcp(struct session *session, const char *host, uint16_t port,
                                      const char *origin, uint16_t origin_port,
                                      void (*done)(void *arg, struct endpoint *channel,
                                                   const struct open_failure *failure),
                                      void *arg);

/* The same to a unix socket at the server (direct-streamlocal@openssh.com, PROTOCOL section 2.4 of
 * OpenSSH); other servers are refused by libssh. */
struct session_open *session_open_unix(struct session *session, const char *path,
                                       void (*done)(void *arg, struct endpoint *channel,
                                                    const struct open_failure *failure),
                                       void *arg);

/* `done` will not be called. The server's answer is still waited for, then the channel is closed:
 * to forget it would leak the server's connection. */
void session_open_cancel(struct session_open *open);

/* A port that the server listens on for us (RFC 4254 section 7.1). */
struct session_listen;

/* A connection that came to it, and waits for an answer. */
struct forwarded_open;

struct session_listen_events {
    /* The server answered: it listens on `port`; or it refused, and `port` is 0. Called once. The
     * callee may free the listen, if it was refused it has to. */
    void (*answered)(void *arg, uint16_t port);
    /* A connection came in, from `origin` in the server's words (valid until it is answered). The
     * callee does that, now or later. `lost` is called once if the session dies before: then the
     * forwarded open is gone. */
    void (*forwarded)(void *arg, struct forwarded_open *forwarded, const char *origin,
                      uint16_t origin_port);
    /* The session died, and the listen is gone. */
    void (*lost)(void *arg);
};

/* Asks the server to listen on `port` (0: it picks one) of `bind`: "" is every address, "localhost"
 * loopback, else an address or name (sshd_config(5), GatewayPorts). No event comes from inside this
 * call. */
struct session_listen *session_listen(struct session *session, const char *bind, uint16_t port,
                                      const struct session_listen_events *events, void *arg);

/* The server shall listen no more; connections that came in by it go on. No event comes. */
void session_listen_free(struct session_listen *listen);

/* Who is told if the session dies before the forwarded open was answered; to be called from inside
 * `forwarded` unless it is answered there. */
void forwarded_open_own(struct forwarded_open *forwarded, void (*lost)(void *arg), void *arg);

/* The server is told yes, and the forwarded open becomes a paused endpoint, which is the caller's.
 * (With a session that just died it is cut at once.) */
struct endpoint *forwarded_open_accept(struct forwarded_open *forwarded);

/* The server is told no (libssh knows only "administratively prohibited"). */
void forwarded_open_refuse(struct forwarded_open *forwarded);

/* The address of the other end of its connection; false: it is no TCP connection of ours (behind a
 * jump host, a ProxyCommand). */
bool session_peer(const struct session *session, struct ip *peer);

/* Asks at once whether the peer still lives, e.g. after a sleep of the machine. */
void session_probe(struct session *session);

/* What a session carries at this moment. */
struct session_state {
    uint64_t bytes_in; /* over the socket, so far */
    uint64_t bytes_out;
    uint64_t carried;   /* of these, what channels brought and took */
    uint32_t channels;  /* open or being opened, abandoned ones too */
    uint32_t abandoned; /* opens that were cancelled, and that the server has not answered */
    uint64_t
        silent_ms; /* while an open waits: how long the server has said nothing at all; else 0 */
};
void session_state(const struct session *session, struct session_state *state);

/* To be called about four times a second: keeps `silent_ms` honest by a probe of its own. */
void session_tick(struct session *session);

#endif

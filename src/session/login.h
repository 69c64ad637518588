/* Logging in: what the main thread needs of an engine to turn a connection into a session
 * (handshake, host key, authentication), and what a worker needs to drive that session.
 *
 * A dial belongs to the thread that started it; the engine does its blocking work elsewhere. What a
 * dial makes, a logged_in, goes from that thread to a worker, which starts the session. An engine
 * embeds `struct dial` and `struct logged_in` in its own structs as their first members; only
 * dial_start, dial_find, dial_running and dial_when_idle have to be told which engine. */
#ifndef ADIT_SESSION_LOGIN_H
#define ADIT_SESSION_LOGIN_H

#include "base/hostport.h"
#include "base/ssh_bytes.h"
#include "conf/config.h"
#include "io/mailbox.h"
#include "session/session.h"

#include <stdbool.h>

/* How far a login has come. */
enum login_step {
    LOGIN_STEP_FILES,        /* the files of known host keys are read */
    LOGIN_STEP_KEY_EXCHANGE, /* the server is greeted, and keys are exchanged */
    LOGIN_STEP_HOST_KEY,     /* its host key is judged */
    LOGIN_STEP_USER,         /* the user logs in */
};

/* What was agreed with the server; every text may be empty. */
struct connection_info {
    enum login_step step;          /* the last that was begun */
    char local[HOSTPORT_TEXT_MAX]; /* "192.0.2.1:50000"; empty: the connection is no TCP of ours */
    char remote[HOSTPORT_TEXT_MAX];
    char user[64];
    char server[128]; /* its software: "SSH-2.0-OpenSSH_9.2p1 Debian-2" */
    char kex[64];
    char library[64];         /* what speaks SSH here: "libssh 0.10.6"; and whether that has a */
    bool has_post_quantum;    /* post-quantum key exchange (session/post_quantum.h) */
    char host_key[128];       /* "ssh-ed25519 SHA256:..." */
    char host_key_known[256]; /* why it was accepted: "known by FILE:LINE" */
    char cipher_in[64];
    char cipher_out[64];
    char mac_in[64]; /* "implicit" or the like where the cipher has its own */
    char mac_out[64];
    char compression[32];       /* "none", "zlib@openssh.com" */
    char login[128];            /* what the server accepted: "publickey /home/a/.ssh/id_ed25519" */
    uint64_t certificate_until; /* when a certificate that it logged in by ends, in seconds since
                                   1970; 0: there is none, or it does not end */
    uint32_t master; /* of an ssh(1) that the keeper has started: its number there; else 0 */
    bool asks_anew;  /* a person was asked for something that is not kept: so it will be at
                        every dial */
    /* How long the server took to answer the first request of the login: no less than the way there
     * and back. */
    uint64_t answer_ms;
};

/* A session that was authenticated and that no thread drives yet. Whoever holds it owns it. */
struct logged_in {
    const struct login_engine *engine; /* which made it */
    struct connection_info info;
};

enum dial_status {
    DIAL_OK,
    DIAL_TRANSPORT,      /* no SSH on the other side, key exchange failed, connection lost */
    DIAL_HOST_KEY,       /* unknown, changed or not the pinned one: a person has to look */
    DIAL_AUTHENTICATION, /* no method left: a person has to look */
    DIAL_STATUSES,
};

/* "transport", "host-key", ...: for the log and the counters. */
static inline const char *dial_status_name(enum dial_status status)
{
    static const char *const names[DIAL_STATUSES] = {"ok", "transport", "host-key",
                                                     "authentication"};
    return names[status];
}

/* Called once, never from inside dial_start: with the session, which is the callee's, and DIAL_OK;
 * or with NULL and a sentence for a person. */
typedef void dial_done_fn(void *arg, enum dial_status status, struct logged_in *logged_in,
                          const char *error);

struct dial_request {
    int fd; /* connected; taken over; -1: of an engine that joins a master, which cannot be
               reached for `unreached` (errno(3)) */
    int unreached;
    /* Of a master that the keeper has started for this session: its number there, and what it has
     * agreed with the server, as lines "NAME VALUE" (copied). Else 0 and nothing. */
    uint32_t master;
    struct span about;
    int line; /* the login's line to the keeper (io/login_line.h); taken over; -1: there is none,
                 and what is to be had there fails */
    /* What the session is to be. `config` is the configuration that `upstream` lies in: referenced
     * until the end. */
    struct config *config;
    const struct config_upstream *upstream;
    const char *host; /* the name that known_hosts knows it by; copied */
    uint16_t port;
    const char *alias; /* with libssh_config: the name before dial_find; copied; NULL: the host */
    /* A person may be asked, on the terminal or as SSH_ASKPASS says; without it, nobody but the
     * upstream's own askpass. */
    bool may_ask;
    /* Gets what was seen of the server before `done` is called, also if the login failed; not after
     * dial_cancel. NULL: nobody asks. */
    struct connection_info *seen;
    struct mailbox *reply; /* of the calling thread: `done` is called through it */
    dial_done_fn *done;
    void *arg;
};

/* A login under way. */
struct dial {
    const struct login_engine *engine;
};

/* A connection that was asked for: the callee's, and it does not block; -1: there is none, for
 * `error` (errno(3); EAGAIN: the listener has no room for another one at present). */
typedef void session_reached_fn(void *arg, int fd, int error);

/* A unix socket that was asked for: it listens at `path` (valid during the call), and is the
 * callee's; -1: there is none, for `error` (errno(3)). */
typedef void session_bound_fn(void *arg, int fd, const char *path, int error);

/* What was to be opened when the server refused. */
struct refused_target {
    const char *host; /* or the path of a unix socket */
    uint32_t port;    /* then MUX_PORT_UNIX (wire/mux.h) */
};

/* Why it did: the code of RFC 4254 section 5.1, and the server's words (valid during the call); 0:
 * that is not known. */
typedef void session_caused_fn(void *arg, uint32_t reason, const char *words);

/* What a session that goes over an ssh(1) has others do: connections to that master, and sockets
 * that the master can connect to, since the process that it runs in may not be allowed to connect
 * and to bind; and what the master prints, which is another process's to read. */
struct session_way {
    /* Asks for one for `owner`; `reached` is called once, never inside the call. */
    struct session_reach *(*reach)(void *owner, session_reached_fn *reached, void *arg);
    /* Asks for a socket for the connections of the remote forward of that name (copied); `bound` is
     * called once, never inside the call. */
    struct session_reach *(*bind)(void *owner, const char *forward, session_bound_fn *bound,
                                  void *arg);
    /* Asks why the server has refused the last open of that target (copied) over the session's
     * master; `caused` is called once, never inside the call. */
    struct session_reach *(*cause)(void *owner, const struct refused_target *target,
                                   session_caused_fn *caused, void *arg);
    /* `reached`, `bound` or `caused` will not be called. NULL is fine. */
    void (*forget)(struct session_reach *reach);
};

struct session_options {
    /* How its lines in the debug log begin ("upstream office: session 3"); copied. */
    const char *name;
    uint64_t keepalive_ms;  /* a keepalive after so long without a byte received; 0: none */
    unsigned keepalive_max; /* so many unanswered ones and the session is dead */
    /* Called once when the session has died, before its channels and opens are told: from here on
     * it must not be asked for another channel. */
    void (*dying)(void *arg);
    /* Called once when the session has died, after all its channels and opens were told; not after
     * session_free. The callee may free the session inside. `why` is a few words for the log. */
    void (*lost)(void *arg, const char *why);
    const struct session_way *way; /* `arg` is its owner */
    void *arg;
};

/* What an engine fills in. Each is described at the function named in its comment. */
struct login_engine {
    const char *(*version)(void);                           /* dial_version */
    bool (*has_post_quantum)(void);                         /* dial_has_post_quantum */
    char *(*check)(const struct config_upstream *upstream); /* dial_check */
    void (*find)(const struct config_upstream *upstream, char name[static HOST_MAX + 1],
                 uint16_t *port);                              /* dial_find */
    struct dial *(*start)(const struct dial_request *request); /* dial_start */
    bool (*is_asking)(const struct dial *dial);                /* dial_is_asking */
    unsigned (*prompts)(const struct dial *dial);              /* dial_prompts */
    void (*shutdown)(struct dial *dial);                       /* dial_shutdown */
    void (*cancel)(struct dial *dial);                         /* dial_cancel */
    unsigned (*running)(void);                                 /* dial_running */
    void (*when_idle)(void (*idle)(void *arg), void *arg);     /* dial_when_idle */
    void (*logged_in_free)(struct logged_in *logged_in);       /* logged_in_free */
    struct session *(*session_new)(struct loop *loop, struct logged_in *logged_in,
                                   const struct session_options *options); /* session_new */
};

/* The version of the engine's library. Static. Any thread. */
static inline const char *dial_version(const struct login_engine *engine)
{
    return engine->version();
}

/* Whether it knows a key exchange of session/post_quantum.h. Any thread. */
static inline bool dial_has_post_quantum(const struct login_engine *engine)
{
    return engine->has_post_quantum();
}

/* Why no dial for the upstream can succeed, as far as that is known without a server: a sentence,
 * which the caller frees; NULL: nothing is known. Any thread. */
static inline char *dial_check(const struct login_engine *engine,
                               const struct config_upstream *upstream)
{
    return engine->check(upstream);
}

/* For an upstream with libssh_config: replaces a name of ssh_config(5) with its HostName, and the
 * port with its Port, as far as libssh finds them. Blocks while a file is read. */
static inline void dial_find(const struct login_engine *engine,
                             const struct config_upstream *upstream, char name[static HOST_MAX + 1],
                             uint16_t *port)
{
    engine->find(upstream, name, port);
}

static inline struct dial *dial_start(const struct login_engine *engine,
                                      const struct dial_request *request)
{
    return engine->start(request);
}

/* A person is being asked, or waits for their turn: it can take as long as the server allows. Any
 * thread. */
static inline bool dial_is_asking(const struct dial *dial)
{
    return dial->engine->is_asking(dial);
}

/* How many prompts there were so far. Any thread. */
static inline unsigned dial_prompts(const struct dial *dial)
{
    return dial->engine->prompts(dial);
}

/* Shuts its connection down, so that it soon fails; a person who is being asked is not interrupted.
 */
static inline void dial_shutdown(struct dial *dial)
{
    dial->engine->shutdown(dial);
}

/* `done` will not be called; the connection is shut down so that the dial ends soon. The mailbox
 * must live until dial_running says 0. */
static inline void dial_cancel(struct dial *dial)
{
    dial->engine->cancel(dial);
}

/* How many dials of the engine have not ended yet, of all mailboxes. */
static inline unsigned dial_running(const struct login_engine *engine)
{
    return engine->running();
}

/* Calls `idle` once, when the last of them has ended; there must be one. */
static inline void dial_when_idle(const struct login_engine *engine, void (*idle)(void *arg),
                                  void *arg)
{
    engine->when_idle(idle, arg);
}

/* Lasts as long as `logged_in`. */
static inline const struct connection_info *logged_in_info(const struct logged_in *logged_in)
{
    return &logged_in->info;
}

/* Ends the session politely and frees it. NULL is fine. Any thread. */
static inline void logged_in_free(struct logged_in *logged_in)
{
    if (logged_in != NULL)
        logged_in->engine->logged_in_free(logged_in);
}

/* Drives what a dial made on this thread's loop; `logged_in` is the session's on success only.
 * NULL: the kernel would not poll its connection. */
static inline struct session *session_new(struct loop *loop, struct logged_in *logged_in,
                                          const struct session_options *options)
{
    return logged_in->engine->session_new(loop, logged_in, options);
}

#endif

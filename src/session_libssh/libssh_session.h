/* A session of libssh's, in parts: each part is a struct that one file changes, and each file says
 * here what the others may ask of it. Only for the files of this room that drive sessions; every
 * function is called on the session's own worker.
 *
 * The order of a turn (turn.c): read input, take what the server opens, process events until
 * nothing moves, send. Inside a callback of libssh nothing of libssh may be called that writes,
 * closes or frees: a callback only passes bytes on to a socket or marks a channel. */
#ifndef ADIT_SESSION_LIBSSH_LIBSSH_SESSION_H
#define ADIT_SESSION_LIBSSH_LIBSSH_SESSION_H

#include "base/log.h"
#include "session/login.h"
#include "session/session.h"
#include "session_libssh/global_requests.h"
#include "session_libssh/open_replies.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <sys/queue.h>

struct channel;
TAILQ_HEAD(channel_list, channel);

/* Its connection: session.c, turn.c. */
struct session_socket {
    int fd;        /* libssh's number of it; closed whenever libssh likes */
    int watch_fd;  /* our own descriptor of it */
    bool buffered; /* libssh reads and polls by transport.c */
    uv_poll_t poll;
    int polled; /* UV_READABLE, UV_WRITABLE: what the poll waits for */
};

/* turn.c */
struct session_turn {
    struct later later;
    bool again;   /* libssh was called during the turn: look once more */
    bool driving; /* a turn is on the stack: session_free waits for its end */
};

/* Channels that wait for something: turn.c. */
struct session_queues {
    struct channel_list writers;   /* for room, first in first out */
    struct channel_list dirty;     /* to report to their owners, outside of libssh's callbacks */
    struct channel_list postponed; /* the same in the next turn */
};

/* Whether the server still answers: liveness.c. */
struct session_keepalive {
    struct deadline deadline;
    unsigned unanswered;  /* keepalives without a byte since */
    uint64_t heard_bytes; /* bytes.in_bytes when `deadline` looked last */
    uint64_t awaited;     /* loop_now when the first unanswered one was sent; 0: none is */
    uint64_t answers;     /* after how many the server has sent something */
    uint64_t answer_ms;   /* how long that took the last time */
};

/* How long the server has sent nothing: liveness.c. */
struct session_silence {
    uint64_t heard_at;      /* when packets last came in (loop_now) */
    uint64_t heard_packets; /* packets.in_packets at that time */
    uint64_t checked_at;    /* when session_check asked for a sign of life; 0: one has come */
    bool probed;            /* a keepalive is on its way because an open waits */
    bool is_overdue;        /* the log says so */
};

/* How long the way to the server and back is: liveness.c. */
struct session_round_trip {
    uint64_t ms;   /* the shortest seen */
    bool measured; /* since the login, too */
};

/* Who wants to know how long the way is now: pings.c. */
struct session_pings {
    TAILQ_HEAD(, session_ping) waiting;
    bool answered; /* to be told at the turn's end */
    uint64_t answer_us;
};

/* What waits to be sent: writing.c. */
struct session_writing {
    uint64_t fresh;        /* bytes written since the last flush */
    bool backlog;          /* the kernel took less than there was to flush */
    uint64_t backlog_from; /* packets.out_packets when that began */
};

/* What a key exchange under way holds up: writing.c (`logged_at`: session.c). */
struct session_rekey {
    uint64_t queued; /* bytes written since KEXINIT went out: SSH_WRITE_PENDING does not see them */
    uint64_t queued_behind; /* packets.out_packets when they were */
    bool blocked;           /* libssh takes nothing: the server has begun a key exchange */
    uint64_t blocked_at;    /* packets.in_packets when it was */
    uint64_t silent_at;     /* packets.out_packets when a packet went out last */
    uint64_t silent_from;   /* packets.in_packets at that time */
    bool is_logged;         /* the log says that a key exchange holds up writes */
    uint64_t logged_at;     /* packets.out_packets when the log said that a key exchange begins */
};

/* channel.c, opening.c */
struct session_channels {
    struct channel_list opening; /* in the order asked */
    struct channel_list open;
    TAILQ_HEAD(, channel_shell) starting; /* of these: shell.c */
    unsigned agents;                      /* shells that forward an agent: shell.c */
    uint32_t count;                       /* of both, and of forwarded opens */
    uint32_t abandoned;                   /* of those being opened */
    uint64_t asked_at;                    /* packets.in_packets when libssh was asked about each */
    uint64_t carried;                     /* bytes by all channels so far, both ways */
};

/* What the server listens on for us, and opens: forwarded_open.c. */
struct session_forwarded {
    TAILQ_HEAD(, libssh_listen) listens;
    TAILQ_HEAD(, libssh_forwarded_open) waiting; /* that were not answered yet */
    unsigned count;                              /* of these */
    bool refusal_logged;                         /* there were too many, and the log says so */
    uint64_t looked_at; /* packets.in_packets when libssh was asked for them last */
    bool listening;     /* libssh keeps the server's opens for us */
    bool more;          /* perhaps: the turn's share was handled */
};

/* The server's host key, which is to stay the same: session.c. */
struct session_host_key {
    struct ssh_callbacks_struct callbacks;
    char *text; /* that of the login, as host_key_text has it */
};

/* How it ends: session.c. */
struct session_end {
    bool freed;      /* the owner has freed it */
    bool dead;       /* everybody was told */
    bool breached;   /* the server broke the protocol: nothing it said since counts */
    const char *why; /* NULL: ask libssh */
};

struct libssh_session {
    struct session base;
    char *name; /* how its lines in the debug log begin */
    struct loop *loop;
    struct session_options options;
    ssh_session handle;
    ssh_event event;
    struct ssh_counter_struct bytes; /* libssh counts */
    struct ssh_counter_struct packets;
    uint64_t window_granted; /* window.c: beyond libssh's own, to all channels */
    struct session_socket socket;
    struct session_turn turn;
    struct session_queues queues;
    struct session_keepalive keepalive;
    struct session_silence silence;
    struct session_round_trip round_trip;
    struct session_pings pings;
    struct session_writing writing;
    struct session_rekey rekey;
    struct session_channels channels;
    struct session_forwarded forwarded;
    struct session_host_key host_key;
    struct session_end end;
    struct open_replies open_replies;
    struct global_requests global_requests;
};

static inline struct libssh_session *libssh_session_of(const struct session *session)
{
    return container_of(session, struct libssh_session, base);
}

/* One line of the debug log about the session. Its arguments are evaluated only when the line is
 * written. */
#define session_debug(session, format, ...) log_debug("%s: " format, (session)->name, ##__VA_ARGS__)

/* session.c */

/* login_engine's session_new. */
struct session *libssh_session_new(struct loop *loop, struct logged_in *logged_in,
                                   const struct session_options *options);
/* The server broke the protocol, as `how` says (a constant): the session ends with this turn, and
 * what is not reported by then is never reported. Allowed anywhere. */
void session_breach(struct libssh_session *session, const char *how);
/* To stand around every libssh call that is not made from the session's own turn: they say what
 * libssh's log lines and its socket are about. They nest, as one session's event may make another
 * write: session_enter gives what session_leave takes, and goes back to. */
struct libssh_session *session_enter(struct libssh_session *session);
void session_leave(struct libssh_session *before);
/* Sets libssh's log for this session again, inside of such a pair, where its level has changed. */
void session_log(struct libssh_session *session);
/* Cuts all channels and tells everybody; its last act, after which it may be freed. */
void session_die(struct libssh_session *session);
/* Frees it, outside of its turn. */
void session_destroy(struct libssh_session *session);

/* turn.c */

/* To be called after any libssh call made outside of session_turn: it may have processed input. */
void session_touch(struct libssh_session *session);
/* One turn: the only place from which channels' events come. `readable`: the socket may have input.
 * The session may be freed by it. */
void session_turn(struct libssh_session *session, bool readable);
/* The channel is to be told `writable` when there is room. */
void session_want_room(struct libssh_session *session, struct channel *channel);
/* The channel has something to report (chan_report), in this turn; or, if it has nothing queued, in
 * the loop's next turn. */
void session_mark_dirty(struct libssh_session *session, struct channel *channel);
void session_postpone(struct libssh_session *session, struct channel *channel);
/* Once a tick: logs which writers wait for the server's window (debug). */
void session_log_stalls(struct libssh_session *session);
/* The channel waits for nothing any more. */
void session_unqueue(struct libssh_session *session, struct channel *channel);
/* Hands libssh what its socket has for it, and checks what became of the session. */
void session_poll(struct libssh_session *session);
/* As far as libssh knows, which else has closed its descriptor. */
bool session_is_connected(const struct libssh_session *session);
/* Its end has not been noticed yet. */
bool session_is_alive(const struct libssh_session *session);

/* writing.c */

/* It takes no more for now: the socket is full, or a key exchange is going on. */
bool session_congested(const struct libssh_session *session);
/* The same, and it is not for a key exchange. */
bool session_is_full(const struct libssh_session *session);
/* How many bytes it takes until then; the packet that exceeds it is taken whole. */
size_t session_room(const struct libssh_session *session);
/* A channel's write took `length` bytes, when `packets` had gone out before; or none, though it
 * `has_window` or for lack of that. */
void session_wrote(struct libssh_session *session, uint32_t length, uint64_t packets);
void session_write_refused(struct libssh_session *session, bool has_window);
/* Packets came in: a key exchange may be over. */
void session_heard(struct libssh_session *session);
/* The turn's end: sends what libssh has queued since the last time. */
void session_flush(struct libssh_session *session);
/* Sends what is queued, and leaves libssh in the belief that the next packet can be sent at once.
 */
void session_farewell(struct libssh_session *session);

/* liveness.c */

void session_liveness_init(struct libssh_session *session);
void session_liveness_end(struct libssh_session *session);
/* At a turn's end: packets may have come in. */
void session_liveness_turn(struct libssh_session *session);
/* An answer took so long: the way there and back at most. */
void session_note_round_trip(struct libssh_session *session, uint64_t milliseconds);
/* How long the server has been silent while an open waits for it, beyond what the way there and
 * back takes; ms. */
uint64_t session_silent_ms(const struct libssh_session *session);
/* Operations of struct session_operations. */
void libssh_session_probe(struct session *session);
void libssh_session_check(struct session *session);
void libssh_session_tick(struct session *session);

/* pings.c */

void session_pings_init(struct libssh_session *session);
/* The measuring keepalive was answered; from inside libssh's calls. */
void session_pings_heard(struct libssh_session *session, uint64_t microseconds);
/* At a turn's end, and four times a second. */
void session_pings_turn(struct libssh_session *session);
void session_pings_tick(struct libssh_session *session);
/* The session has died, or ends. */
void session_pings_end(struct libssh_session *session);
/* Operation of struct session_operations. */
void libssh_session_ping(struct session *session, struct session_ping *ping);

/* forwarded_open.c */

/* Operations of struct session_operations. */
struct session_listen *libssh_listen(struct session *session, const struct listen_place *place,
                                     const struct session_listen_events *events, void *arg);
void libssh_listen_free(struct session_listen *listen);
void libssh_forwarded_open_own(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost,
                               void *arg);
struct endpoint *libssh_forwarded_open_accept(struct forwarded_open *forwarded);
void libssh_forwarded_open_refuse(struct forwarded_open *forwarded);

void forwarded_opens_init(struct libssh_session *session);
/* From now on what the server opens is looked at, and not refused at once. */
void forwarded_opens_expect(struct libssh_session *session);
/* Asks for what shall be listened on, and takes what came in there; once a turn. */
void forwarded_opens_turn(struct libssh_session *session);
/* Whether it has to be done again in the loop's next turn. */
bool forwarded_opens_is_due(const struct libssh_session *session);
/* The session died: tells the owners of listens and of forwarded opens. */
void forwarded_opens_cut(struct libssh_session *session);
/* It ends. */
void forwarded_opens_end(struct libssh_session *session);

#endif

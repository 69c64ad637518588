/* Sessions and channels, as this room sees them. Only for this room. */
#ifndef ADIT_SESSION_LIBSSH_INTERNAL_H
#define ADIT_SESSION_LIBSSH_INTERNAL_H

#include "session_libssh/open_replies.h"
#include "session_libssh/global_requests.h"
#include "session/session.h"
#include "session/login.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <sys/queue.h>

struct channel;
TAILQ_HEAD(channel_list, channel);

struct libssh_session {
    struct session base;
    struct loop *loop;
    struct session_options options; /* its name is `name` */
    char *name;
    ssh_session handle;
    ssh_event event;
    int handle_fd;
    int watch_fd;
    uv_poll_t poll;
    int polled; /* UV_READABLE, UV_WRITABLE: what the poll waits for */
    struct later process_events;
    struct deadline keepalive;
    unsigned unanswered;  /* keepalives without a byte since */
    uint64_t heard_bytes; /* bytes_in at the last look of the keepalive */
    uint64_t heard_at;    /* when packets last came in (loop_now) */
    uint64_t heard_packets;
    uint64_t round_trip; /* ms; 0 until it is known */
    bool round_trip_known;
    bool probed; /* a probe is on its way because an open waits */
    struct ssh_counter_struct bytes;
    struct ssh_counter_struct packets;
    uint64_t carried;      /* by channels, both ways */
    uint64_t fresh;        /* bytes written since the last flush */
    bool backlog;          /* the kernel took less than there was to flush */
    uint64_t backlog_from; /* out_packets when that began */
    uint64_t silent_from;  /* in_packets when a packet went out last */
    uint64_t silent_at;    /* out_packets since then */
    uint64_t queued; /* bytes written since KEXINIT went out: SSH_WRITE_PENDING does not see them */
    uint64_t queued_behind;      /* out_packets when they were */
    bool blocked;                /* libssh takes nothing: the peer has begun a rekey */
    uint64_t blocked_at;         /* in_packets when it was */
    uint64_t announced;          /* sum of what is charged to the channels */
    struct channel_list opening; /* in the order asked */
    struct channel_list open;
    struct channel_list writers; /* channels that asked for room, first in first out */
    struct channel_list
        dirty; /* channels with something to tell, to be told outside of libssh's callbacks */
    struct channel_list postponed; /* dirty ones of the next turn */
    uint32_t channels;
    uint32_t abandoned; /* of those being opened */
    struct open_replies open_replies;
    struct global_requests global_requests;
    TAILQ_HEAD(, libssh_listen) listens;
    TAILQ_HEAD(, libssh_forwarded_open) forwarded_opens; /* that were not answered yet */
    unsigned forwarded_open_count;
    bool forwarded_opens_refused;        /* there were too many, and the log says so */
    uint64_t looked_for_forwarded_opens; /* in_packets when that was done last */
    bool listening;                      /* libssh keeps the server's opens for us */
    bool more_forwarded_opens;           /* perhaps: the turn's share was handled */
    bool again;                          /* libssh was called while driving: look once more */
    bool driving;                        /* on the stack: a free waits */
    bool freed;
    bool dead;
    bool breached;     /* the server broke the protocol: nothing it said since counts */
    const char *death; /* why; NULL: ask libssh */
};

enum channel_state { CHANNEL_OPENING, CHANNEL_OPEN, CHANNEL_CUT };

struct channel {
    struct endpoint endpoint;
    struct session_open open;       /* while opening */
    struct libssh_session *session; /* NULL once cut */
    ssh_channel handle;
    struct ssh_channel_callbacks_struct callbacks;
    enum channel_state state;
    TAILQ_ENTRY(channel) link;        /* session->opening or ->open */
    TAILQ_ENTRY(channel) writer_link; /* session->writers */
    TAILQ_ENTRY(channel) dirty_link;  /* session->dirty */
    bool is_writer;
    bool is_dirty;
    bool is_postponed;       /* dirty, but on ->postponed */
    bool leftover;           /* bytes wait in libssh's buffer */
    uint64_t leftover_since; /* loop_now */
    bool refused;            /* more came while they were being pulled */
    bool receives;           /* data came, and may come: it is confirmed, and has not ended */
    bool eof_seen;
    bool close_seen;
    uint32_t window;       /* announced to the peer; 0: libssh's own */
    uint32_t charged;      /* of session->announced: what the peer may still send of it */
    uint32_t consumed;     /* of this window */
    uint32_t unannounced;  /* consumed, and the peer not told yet */
    uint64_t window_began; /* loop_now */
    bool probe_wanted;     /* the way there and back is to be measured */
    /* While opening. */
    struct answer *answer; /* NULL once it was acted upon */
    uint64_t asked_at;
    session_opened_fn *done;
    void *arg;
};

/* channel.c */

/* A channel whose open request is on its way; on failure the answer is there already. */
struct channel *chan_new(struct libssh_session *session, const struct open_target *target);
/* A channel for what the server asked to open; the confirmation is on its way. */
struct channel *chan_accept(struct libssh_session *session, ssh_message message);
/* The server confirmed: from here on it is an endpoint. */
void chan_confirmed(struct channel *channel);
/* Tells its owner what came: leftover bytes, end of data, close. */
void chan_settle(struct channel *channel);
/* The session died: severs it, and tells the owner. */
void chan_cut(struct channel *channel, const char *why);
/* Ends the SSH side of a channel (closing it properly if it was confirmed) and forgets it. */
void chan_free(struct channel *channel);
/* How many bytes the peer's window takes. */
uint32_t chan_window(const struct channel *channel);

/* window.c */

/* The server confirmed it. */
void chan_window_begin(struct channel *channel);
/* Its consumer took so much. True: chan_window_announce has something to do. */
bool chan_window_consumed(struct channel *channel, uint32_t length);
/* More bytes than a peer that keeps to its windows can make libssh keep for a consumer that takes
 * nothing. */
uint32_t chan_window_most(const struct channel *channel);
/* Tells the peer of the window, if it is time; outside of libssh's callbacks. */
void chan_window_announce(struct channel *channel);
/* Its consumer has not kept up since then (loop_now). If that is more than a round trip, nothing
 * more is announced, but what was is still to come. */
void chan_window_hold(struct channel *channel, uint64_t since);
/* It ends. */
void chan_window_release(struct channel *channel);

/* forwarded_open.c */

/* Operations of struct session_operations. */
struct session_listen *libssh_listen(struct session *session, const char *bind, uint16_t port,
                                     const struct session_listen_events *events, void *arg);
void libssh_listen_free(struct session_listen *listen);
void libssh_forwarded_open_own(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost,
                               void *arg);
struct endpoint *libssh_forwarded_open_accept(struct forwarded_open *forwarded);
void libssh_forwarded_open_refuse(struct forwarded_open *forwarded);

void forwarded_opens_init(struct libssh_session *session);
/* Asks for what shall be listened on, and takes what came in there; once a turn. */
void forwarded_opens_turn(struct libssh_session *session);
/* Whether it has to be done again in the loop's next turn. */
bool forwarded_opens_is_due(const struct libssh_session *session);
/* The session died: tells those that listen, and those that were connecting. */
void forwarded_opens_cut(struct libssh_session *session);
/* It ends. */
void forwarded_opens_end(struct libssh_session *session);

/* turn.c */

/* To be called after any libssh call made outside of session_turn: it may have processed input. */
void session_touch(struct libssh_session *session);
/* One turn: the only place from which channels' events come. `readable`: the socket may have input.
 * The session may be freed by it. */
void session_turn(struct libssh_session *session, bool readable);
/* The channel, which is not dirty, shall be settled again in the loop's next turn. */
void session_postpone(struct libssh_session *session, struct channel *channel);
/* It takes no more for now: the socket is full, or a rekey is going on. */
bool session_congested(const struct libssh_session *session);
/* How many bytes it takes until then; the packet that exceeds it is taken whole. */
size_t session_room(const struct libssh_session *session);
/* So much was written, and waits for the end of the turn. */
void session_wrote(struct libssh_session *session, uint32_t length);
/* libssh has not noticed its end yet. */
bool session_is_alive(const struct libssh_session *session);
/* Sends what is queued, and leaves libssh in the belief that the next packet can be sent at once.
 */
void session_farewell(struct libssh_session *session);

/* session.c */

static inline struct libssh_session *libssh_session_of(const struct session *session)
{
    return container_of(session, struct libssh_session, base);
}

/* An answer took so long: the way there and back at most. */
void session_note_round_trip(struct libssh_session *session, uint64_t milliseconds);
/* The server broke the protocol, as `how` says (a constant): the session ends with this turn, and
 * what is not told by then is never told. Allowed anywhere. */
void session_breach(struct libssh_session *session, const char *how);
/* Around every libssh call that is not made from the session's own turn: what its log lines and its
 * socket are about. They nest, as one session's event may make another write: session_enter gives
 * what session_leave takes, and goes back to. */
struct libssh_session *session_enter(struct libssh_session *session);
void session_leave(struct libssh_session *before);
/* Sets libssh's log for this session again, inside of such a pair, where its level has changed. */
void session_log(struct libssh_session *session);
/* login_engine's session_new. */
struct session *libssh_session_new(struct loop *loop, struct logged_in *logged_in,
                                   const struct session_options *options);
/* Cuts all channels and tells everybody; its last act, after which it may be freed. */
void session_die(struct libssh_session *session);
/* Frees it, outside of its turn. */
void session_destroy(struct libssh_session *session);

#endif

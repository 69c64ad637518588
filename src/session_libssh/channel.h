/* A channel of a session's, in parts: each part is a struct that one file changes. Only for the
 * files of this room that drive sessions; every function is called on the session's own worker. */
#ifndef ADIT_SESSION_LIBSSH_CHANNEL_H
#define ADIT_SESSION_LIBSSH_CHANNEL_H

#include "session_libssh/libssh_session.h"

#include "io/endpoint.h"

/* opening.c */
struct channel_open {
    struct session_open base;
    struct open_reply *reply; /* NULL once it was acted upon */
    uint64_t asked_at;        /* loop_now */
    session_opened_fn *opened;
    void *arg;
};

/* What comes from the server: reading.c. */
struct channel_reading {
    bool receives;           /* data came, and may come: it is confirmed, and has not ended */
    bool leftover;           /* bytes wait in libssh's buffer */
    uint64_t leftover_since; /* loop_now */
    bool refused;            /* more came while they were being pulled */
};

/* What the server has sent of its end: reading.c. (What the owner was told of it, and whether the
 * owner has ended its direction, is in the endpoint.) */
struct channel_ending {
    bool eof_seen;
    bool close_seen;
};

/* window.c */
struct channel_window {
    uint32_t size;        /* announced to the server; 0: libssh's own */
    uint32_t charged;     /* of session->window_granted: what the server may still send of it */
    uint32_t consumed;    /* of this window */
    uint32_t unannounced; /* consumed, and the server not told yet */
    uint64_t began;       /* loop_now */
    bool is_announced; /* libssh has announced all of its own: data has come, or it was asked to */
    bool probe_wanted; /* the way there and back is to be measured */
};

/* turn.c */
struct channel_queues {
    TAILQ_ENTRY(channel) writer_link;
    TAILQ_ENTRY(channel) dirty_link;
    bool is_writer;
    bool is_dirty;
    bool is_postponed;   /* dirty, but on ->postponed */
    bool stall_logged;   /* the log says that the writer waits for the server's window */
    uint64_t stalled_at; /* loop_now when a tick first saw that; 0: it does not */
};

enum channel_state { CHANNEL_OPENING, CHANNEL_OPEN, CHANNEL_CUT };

struct channel {
    struct endpoint endpoint;
    struct libssh_session *session; /* NULL once cut */
    ssh_channel handle;
    struct ssh_channel_callbacks_struct callbacks;
    enum channel_state state;
    TAILQ_ENTRY(channel) link; /* session->channels.opening or ->channels.open */
    uint32_t number;           /* our own number of it, for the log; CHANNEL_UNNUMBERED */
    struct channel_open open;
    struct channel_reading reading;
    struct channel_ending ending;
    struct channel_window window;
    struct channel_queues queues;
    struct channel_shell *shell; /* NULL: it is no shell channel */
};

#define CHANNEL_UNNUMBERED UINT32_MAX

/* One line of the debug log about a channel that has a session. Its arguments are evaluated only
 * when the line is written. */
#define CHANNEL_NUMBER_TEXT 12
#define chan_debug(channel, format, ...)                                                           \
    session_debug((channel)->session, "channel %s: " format,                                       \
                  chan_number(channel, (char[CHANNEL_NUMBER_TEXT]){0}), ##__VA_ARGS__)

/* channel.c */

/* A channel in that state, not known to the server yet. Its session was entered. */
struct channel *chan_make(struct libssh_session *session, enum channel_state state);
/* A channel for what the server asked to open; the confirmation is on its way. */
struct channel *chan_accept(struct libssh_session *session, ssh_message message);
/* The session died: severs it, and tells the owner. */
void chan_cut(struct channel *channel, const char *why);
/* Ends the SSH side of a channel (closing it properly if it was confirmed) and forgets it. */
void chan_free(struct channel *channel);
/* Our own number of it, or "?"; libssh tells only those of the channels that it opened. Returns
 * `text`. */
const char *chan_number(const struct channel *channel, char text[static CHANNEL_NUMBER_TEXT]);
/* How many bytes the server's window takes. */
uint32_t chan_window(const struct channel *channel);

/* shell.c */

/* Operations of struct session_operations. */
struct session_open *libssh_open_shell(struct session *session, const struct shell_target *target,
                                       session_opened_fn *opened, void *arg);
void libssh_shell_resize(struct session_shell *shell, const struct shell_size *size);
/* The server has confirmed a shell channel: what it runs is asked for. */
void shell_begin(struct channel *channel);
/* Once a turn: goes on with the shell channels that were not told yet what to run. */
void shells_turn(struct libssh_session *session);
/* Whether the channel is a shell's whose owner does not have it yet. */
bool shell_is_starting(const struct channel *channel);
/* The channel ends. `alive`: libssh may still have bytes of it. */
void shell_end(struct channel *channel, bool alive);
/* The channel is freed. NULL is fine. */
void shell_free(struct channel_shell *shell);
/* The server opens a connection to the agent: takes the message, or leaves it. */
bool shell_take_agent(struct libssh_session *session, ssh_message message);

/* shell_error.c */

/* Bytes for standard error, inside of libssh's callback; returns how many were taken. */
int shell_error_data(struct channel *channel, const uint8_t *bytes, uint32_t length);
/* Bytes of it that libssh gave away while a window was announced. */
void shell_error_keep(struct channel *channel, const uint8_t *bytes, size_t length);
/* The server has sent its end of data, or its close; also inside of libssh's callbacks. */
void shell_error_ended(struct channel *channel, bool closed);

/* opening.c */

/* A channel whose open request is on its way, to `target`; on failure the reply is there already.
 */
struct channel *chan_open_to(struct libssh_session *session, const struct open_target *target);

/* Operations of struct session_operations. */
struct session_open *libssh_open_tcp(struct session *session, const struct tcp_target *target,
                                     session_opened_fn *opened, void *arg);
struct session_open *libssh_open_unix(struct session *session, const char *path,
                                      session_opened_fn *opened, void *arg);
void libssh_open_cancel(struct session_open *open);
/* Reports the opens that were answered. */
void opens_report(struct libssh_session *session);
/* To be called about four times a second. */
void opens_tick(struct libssh_session *session);
/* The reply of a channel that is being opened is not waited for any more. */
void open_forget(struct channel *channel);

/* The server closed a channel that it has not confirmed; inside of libssh's callbacks. */
void open_closed(struct channel *channel);

/* reading.c */

/* The channel's consumer took `length` bytes, of either stream. True: the server is to be told of
 * free window. */
bool chan_delivered(struct channel *channel, uint32_t length);
/* libssh shall call for that channel when something comes. */
void chan_reading_init(struct channel *channel);
/* Whether the server has said yes to it; inside of libssh's callbacks, too. */
bool chan_is_confirmed(const struct channel *channel);
/* Reports to its owner what came: leftover bytes, end of data, close. */
void chan_report(struct channel *channel);
/* endpoint_operations' resume. */
void chan_resume(struct endpoint *endpoint);

/* window.c */

/* The server confirmed it. */
void chan_window_begin(struct channel *channel);
/* Its consumer took so much. True: chan_window_announce has something to do. */
bool chan_window_consumed(struct channel *channel, uint32_t length);
/* More bytes than a server that keeps to its windows can make libssh keep for a consumer that takes
 * nothing. */
uint32_t chan_window_most(const struct channel *channel);
/* Tells the server of the window, if it is time; outside of libssh's callbacks. */
void chan_window_announce(struct channel *channel);
/* Its consumer has not kept up since then (loop_now). If that is more than a round trip, nothing
 * more is announced, but what was is still to come. */
void chan_window_hold(struct channel *channel, uint64_t since);
/* A confirmed channel is closed next: the server hears no more of its window behind that. Its
 * callbacks are removed. */
void chan_window_end(struct channel *channel);
/* It ends. */
void chan_window_release(struct channel *channel);

#endif

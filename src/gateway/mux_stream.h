/* One stream of an ssh(1) that is served as a mux client: the descriptors that it has passed are
 * joined to a channel of an upstream. Threads copy (io/pump), as a descriptor may be a file, which
 * no loop can wait for. Main thread only. */
#ifndef ADIT_GATEWAY_MUX_STREAM_H
#define ADIT_GATEWAY_MUX_STREAM_H

#include "session/shell.h"
#include "worker/worker.h"

#define MUX_STREAM_DESCRIPTORS 3

struct mux_stream;

/* How a stream has ended. */
struct mux_stream_end {
    bool has_exited; /* the command, with this status: */
    uint32_t exit_status;
};

struct mux_stream_events {
    /* The channel is there. `tty_refused`: the server has no terminal for it. */
    void (*opened)(void *arg, bool tty_refused);
    /* It cannot be had. Nothing follows, and the stream is freed. */
    void (*refused)(void *arg, const char *why);
    /* The channel is closed, and all of its output was written. The stream is freed. */
    void (*ended)(void *arg, const struct mux_stream_end *end);
};

/* All streams of a master, those that were cut, too. */
LIST_HEAD(mux_stream_list, mux_stream);

struct mux_stream_request {
    struct mux_stream_list *list;
    struct loop *loop;
    struct workers *workers;
    struct generation *generation; /* (referenced while it is needed) */
    const char *via;               /* the upstream */
    const struct config_place *to; /* NULL: a shell */
    const struct shell_request *shell;
    const char *notice; /* for the command's standard error, before all else; NULL: nothing */
    uint32_t escape;    /* the character that begins an escape; MUX_ESCAPE_NONE: there is none */
    int fds[MUX_STREAM_DESCRIPTORS]; /* input, output and, for a shell, error */
    struct mux_stream_events events;
    void *arg;
};

/* Takes the descriptors over in any case. NULL: there are no descriptors for it (errno). No event
 * comes from inside a function of this header. */
struct mux_stream *mux_stream_start(const struct mux_stream_request *request);

/* The terminal of a shell may have another size. */
void mux_stream_window_changed(struct mux_stream *stream);

/* Ends the channel at once. No event comes any more; the stream frees itself when its threads and
 * its channel have ended. NULL is fine. */
void mux_stream_cut(struct mux_stream *stream);

/* Once the workers' threads have ended: frees all of them, without an event. */
void mux_streams_free(struct mux_stream_list *list);

#endif

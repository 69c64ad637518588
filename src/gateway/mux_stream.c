/* Passed descriptors, pumps, and an internal connection. */
#include "gateway/mux_stream.h"

#include "base/mem.h"
#include "gateway/mux_escape.h"
#include "io/pump.h"
#include "io/socket_calls.h"
#include "io/terminal.h"
#include "shared/internal_connection.h"
#include "shared/internal_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A pump whose end is awaited. */
struct stream_pump {
    struct mux_stream *stream;
    uv_poll_t poll;
    int done; /* readable when the pump has ended; -1: it has, or there is none */
};

struct mux_stream {
    LIST_ENTRY(mux_stream) link;
    bool listed;
    struct loop *loop;
    struct workers *workers;
    struct mux_stream_events events;
    void *arg;
    bool cut;                               /* no event comes */
    struct internal_connection *connection; /* NULL: it has ended */
    struct internal_stream *shared;         /* the connection's, and valid as long */
    struct mux_stream_end end;
    uint32_t escape;
    int fds[MUX_STREAM_DESCRIPTORS]; /* -1: a pump has it, or there is none */
    int data;                        /* our end of the channel's socketpair ... */
    int error;                       /* ... and of that of its standard error; -1: a pump has it */
    int control;                     /* another descriptor of `data`, to end it */
    int terminal;                    /* another one of the client's input; -1: no terminal */
    struct stream_pump output[2];    /* and standard error */
    struct stream_pump input;
    unsigned open_handles; /* polls that libuv has still to close */
};

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void leave_streams(struct mux_stream *s)
{
    if (s->listed)
        LIST_REMOVE(s, link);
    s->listed = false;
}

static void free_when_closed(struct mux_stream *s)
{
    if (s->open_handles > 0)
        return;
    leave_streams(s);
    for (unsigned i = 0; i < MUX_STREAM_DESCRIPTORS; i++)
        close_if_open(&s->fds[i]);
    close_if_open(&s->data);
    close_if_open(&s->error);
    close_if_open(&s->control);
    close_if_open(&s->terminal);
    free(s);
}

static void on_pump_poll_closed(uv_handle_t *handle)
{
    struct stream_pump *pump = container_of((uv_poll_t *)handle, struct stream_pump, poll);

    pump->stream->open_handles--;
    if (pump->stream->connection == NULL)
        free_when_closed(pump->stream);
}

/* Whether an output has still to be written. */
static bool is_writing(const struct mux_stream *s)
{
    return s->output[0].done >= 0 || s->output[1].done >= 0;
}

static void stop_waiting_for(struct stream_pump *pump)
{
    if (pump->done < 0)
        return;
    uv_close((uv_handle_t *)&pump->poll, on_pump_poll_closed);
    close_if_open(&pump->done);
}

static void end_if_over(struct mux_stream *s)
{
    void (*ended)(void *arg, const struct mux_stream_end *end) = s->cut ? NULL : s->events.ended;
    void *arg = s->arg;
    struct mux_stream_end end = s->end;

    if (s->connection != NULL || (!s->cut && is_writing(s)))
        return;
    stop_waiting_for(&s->output[0]);
    stop_waiting_for(&s->output[1]);
    stop_waiting_for(&s->input);
    free_when_closed(s);
    if (ended != NULL)
        ended(arg, &end);
}

/* Cuts the channel, and says that the stream has ended. */
static void end_by_cut(struct mux_stream *s)
{
    void (*ended)(void *arg, const struct mux_stream_end *end) = s->events.ended;
    void *arg = s->arg;

    mux_stream_cut(s);
    ended(arg, &(struct mux_stream_end){0});
}

/* How the pump, for which nobody waits any more, has ended: an errno, or 0. */
static int take_result(struct stream_pump *pump)
{
    int error = 0;
    bool told = read(pump->done, &error, sizeof(error)) == (ssize_t)sizeof(error);

    stop_waiting_for(pump);
    return told ? error : 0;
}

/* A client that does not take its output any more ends the command. (The channel's own end may be
 * told as a reset.) */
static void on_output_written(uv_poll_t *poll, int status, int events)
{
    struct stream_pump *pump = container_of(poll, struct stream_pump, poll);
    struct mux_stream *s = pump->stream;
    int error = take_result(pump);

    (void)status;
    (void)events;
    if (error != 0 && error != ECONNRESET && pump == &s->output[0] && s->connection != NULL &&
        !s->cut)
        end_by_cut(s);
    else
        end_if_over(s);
}

/* The pumps. */

/* `s` is told by `ended` when the pump has ended. */
static void wait_for_pump(struct mux_stream *s, struct stream_pump *pump, uv_poll_cb ended)
{
    uv_poll_init(loop_uv(s->loop), &pump->poll, pump->done);
    s->open_handles++;
    uv_poll_start(&pump->poll, UV_READABLE, ended);
}

/* A pump from `from` to the client's descriptor. False: errno. */
static bool start_output(struct mux_stream *s, struct stream_pump *pump, int *from, int *to)
{
    int source = *from;
    int target = *to;

    *from = *to = -1;
    if (!pump_start_with(source, target, &pump->done,
                         &(struct pump_options){.only_closes_to = true}))
        return false;
    wait_for_pump(s, pump, on_output_written);
    return true;
}

/* The input has ended, or the person has typed "~.". */
static void on_input_ended(uv_poll_t *poll, int status, int events)
{
    struct stream_pump *pump = container_of(poll, struct stream_pump, poll);
    struct mux_stream *s = pump->stream;
    int error = take_result(pump);

    (void)status;
    (void)events;
    if (error == ECANCELED && !s->cut)
        end_by_cut(s);
}

/* The terminal is read for as long as the channel is there, and no longer. */
static bool start_input(struct mux_stream *s)
{
    struct pump_options options = {.ends_with_to = true};
    int to = fcntl(s->control, F_DUPFD_CLOEXEC, 3);
    int from = s->fds[0];

    if (to < 0)
        return false;
    s->fds[0] = -1;
    mux_escape_add(&options, s->escape);
    if (!pump_start_with(from, to, &s->input.done, &options))
        return false;
    wait_for_pump(s, &s->input, on_input_ended);
    return true;
}

static bool start_stream_pumps(struct mux_stream *s)
{
    return start_output(s, &s->output[0], &s->data, &s->fds[1]) &&
           (s->error < 0 || start_output(s, &s->output[1], &s->error, &s->fds[2])) &&
           start_input(s);
}

/* The connection. */

/* (After an `ended` that comes here the pumps see their ends, and end.) */
static void on_connection_ended(void *arg, const char *failed)
{
    struct mux_stream *s = arg;

    /* (The status may come before the last of the output: without that it is none.) */
    s->end.has_exited = s->shared->has_exited && failed == NULL;
    s->end.exit_status = s->shared->exit_status;
    s->connection = NULL;
    socket_shutdown(s->control);
    end_if_over(s);
}

static void on_connection_answered(void *arg, enum outcome outcome, const char *detail)
{
    struct mux_stream *s = arg;

    if (outcome != OUTCOME_OK) {
        void (*refused)(void *arg, const char *why) = s->cut ? NULL : s->events.refused;
        void *owner = s->arg;
        s->connection = NULL;
        free_when_closed(s);
        if (refused != NULL)
            refused(owner, detail);
        return;
    }
    if (s->cut)
        return;
    s->events.opened(s->arg, s->shared->tty_refused);
    if (!s->cut && !start_stream_pumps(s))
        end_by_cut(s);
}

static struct shell_size terminal_size(int fd)
{
    struct winsize size = {0};

    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        size = (struct winsize){0};
    return (struct shell_size){.columns = size.ws_col,
                               .rows = size.ws_row,
                               .width = size.ws_xpixel,
                               .height = size.ws_ypixel};
}

/* The part of a shell. False: there are no descriptors. */
static bool add_shell(struct mux_stream *s, const struct mux_stream_request *r)
{
    struct shell_request shell = *r->shell;
    int ends[2];

    if (shell.tty) {
        /* (The client makes the terminal raw when the session is opened.) */
        shell.size = terminal_size(r->fds[0]);
        shell.modes_length = terminal_modes(r->fds[0], shell.modes);
        s->terminal = fcntl(r->fds[0], F_DUPFD_CLOEXEC, 3);
    }
    if (!socket_pair(true, ends))
        return false;
    /* (The kernel takes a few lines at once.) */
    if (r->notice != NULL)
        socket_send_now(ends[1], r->notice, strlen(r->notice));
    s->error = ends[0];
    internal_stream_set_shell(s->shared, &shell, ends[1]);
    return true;
}

struct mux_stream *mux_stream_start(const struct mux_stream_request *r)
{
    struct mux_stream *s = mem_zalloc(sizeof(*s));
    struct config_place nowhere = {.host = (char *)"shell"};
    int ends[2];

    *s = (struct mux_stream){.loop = r->loop,
                             .workers = r->workers,
                             .events = r->events,
                             .arg = r->arg,
                             .escape = r->escape,
                             .shared = internal_stream_new(),
                             .fds = {r->fds[0], r->fds[1], r->shell != NULL ? r->fds[2] : -1},
                             .data = -1,
                             .error = -1,
                             .control = -1,
                             .terminal = -1};
    for (size_t i = 0; i < sizeof(s->fds) / sizeof(s->fds[0]); i++)
        terminal_leave_background(s->fds[i]);
    LIST_INSERT_HEAD(r->list, s, link);
    s->listed = true;
    s->output[0] = s->output[1] = s->input = (struct stream_pump){.stream = s, .done = -1};
    if ((r->shell != NULL && !add_shell(s, r)) || !socket_pair(true, ends)) {
        int error = errno;
        internal_stream_free(s->shared);
        free_when_closed(s);
        errno = error;
        return NULL;
    }
    s->data = ends[0];
    s->control = fcntl(s->data, F_DUPFD_CLOEXEC, 3);
    s->connection =
        workers_send_internal(r->workers, r->generation,
                              &(struct internal_request){.via = r->via,
                                                         .to = r->to != NULL ? *r->to : nowhere,
                                                         .stream = s->shared,
                                                         .answered = on_connection_answered,
                                                         .ended = on_connection_ended,
                                                         .arg = s},
                              ends[1]);
    return s;
}

void mux_stream_window_changed(struct mux_stream *s)
{
    uint64_t size;
    struct shell_size now;

    if (s->terminal < 0 || s->connection == NULL)
        return;
    now = terminal_size(s->terminal);
    size = shell_size_pack(&now);
    if (atomic_exchange(&s->shared->size, size) != size)
        workers_send_stream_news(s->workers);
}

/* (The connection, which is on a worker, still says that it has ended.) */
void mux_stream_cut(struct mux_stream *s)
{
    if (s == NULL)
        return;
    s->cut = true;
    if (s->connection == NULL) {
        end_if_over(s);
        return;
    }
    atomic_store(&s->shared->cut, true);
    socket_shutdown(s->control);
    workers_send_stream_news(s->workers);
}

static void forget_stream(struct mux_stream *s)
{
    s->cut = true;
    leave_streams(s);
    internal_connection_forget(s->connection);
    s->connection = NULL;
    end_if_over(s);
}

/* (A stream whose polls are still to be closed is freed when libuv has closed them.) */
void mux_streams_free(struct mux_stream_list *list)
{
    struct mux_stream *s = LIST_FIRST(list);

    while (s != NULL) {
        struct mux_stream *next = LIST_NEXT(s, link);
        forget_stream(s);
        s = next;
    }
}

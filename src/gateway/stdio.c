/* An internal connection, and a pump each way between its socketpair and standard input and
 * output. */
#include "gateway/stdio.h"

#include "base/mem.h"
#include "shared/internal_connection.h"
#include "io/background.h"
#include "io/pump.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* (The gateway ends the connection if there will be no session; until then it waits for one.) */
#define HOLD_MS (UINT64_C(365) * 24 * 3600 * 1000)

struct stdio {
    struct loop *loop;
    struct internal_connection *connection;
    char *to;           /* where it leads, for the error */
    int fd;             /* adit's end of the socketpair; -1: the pumps have it */
    uv_poll_t *written; /* readable when all output was written; NULL: the pumps have not begun */
    int written_fd;
    bool output_ended;
    int output_error;
    bool connection_ended;
    char *failed; /* why the connection ended; NULL: in order */
    void (*done)(void *arg, const char *failed);
    void *arg;
};

static void stdio_finish(struct stdio *s, const char *failed)
{
    void (*done)(void *arg, const char *failed) = s->done;
    void *arg = s->arg;
    char text[HOSTPORT_TEXT_MAX + 400];

    if (failed != NULL)
        snprintf(text, sizeof(text), "stdio forwarding failed: %s: %s", s->to, failed);
    stdio_free(s);
    done(arg, failed != NULL ? text : NULL);
}

/* The end is reported when all output was written and the connection has said how it ended. */
static void stdio_finish_if_ended(struct stdio *s)
{
    if (!s->output_ended)
        return;
    if (s->output_error == EPIPE)
        stdio_finish(s, NULL);
    else if (s->output_error != 0 && s->output_error != ECONNRESET) /* (the connection's own end) */
        stdio_finish(s, strerror(s->output_error));
    else if (s->connection_ended)
        stdio_finish(s, s->failed);
}

static void output_written(uv_poll_t *poll, int status, int events)
{
    struct stdio *s = poll->data;

    (void)status;
    (void)events;
    uv_poll_stop(poll);
    if (read(s->written_fd, &s->output_error, sizeof(s->output_error)) !=
        (ssize_t)sizeof(s->output_error))
        s->output_error = 0;
    s->output_ended = true;
    stdio_finish_if_ended(s);
}

static void on_stdio_ended(void *arg, const char *failed)
{
    struct stdio *s = arg;

    s->connection = NULL;
    s->connection_ended = true;
    s->failed = mem_strdup(failed);
    stdio_finish_if_ended(s);
}

/* Moves a standard stream to another descriptor, which can be closed; its old number stays taken by
 * /dev/null, so that no other file gets it. */
static int take_stream(int fd)
{
    int taken = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (background_null() >= 0)
        dup2(background_null(), fd);
    return taken;
}

/* Both directions. False: errno. */
static bool start_pumps(struct stdio *s)
{
    int back = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
    int fd = s->fd;

    s->fd = -1;
    if (!pump_start(back, take_stream(STDOUT_FILENO), &s->written_fd)) {
        close(fd);
        return false;
    }
    s->written = mem_zalloc(sizeof(*s->written));
    uv_poll_init(loop_uv(s->loop), s->written, s->written_fd);
    s->written->data = s;
    uv_poll_start(s->written, UV_READABLE, output_written);
    return pump_start(take_stream(STDIN_FILENO), fd, NULL);
}

static void on_stdio_answered(void *arg, enum outcome outcome, const char *detail)
{
    struct stdio *s = arg;

    if (outcome != OUTCOME_OK) {
        s->connection = NULL;
        stdio_finish(s, detail);
    } else if (!start_pumps(s)) {
        stdio_finish(s, strerror(errno));
    }
}

/* "HOST:PORT" or the path of a socket; the caller frees. */
static char *target_text(const struct config_place *to)
{
    char text[HOSTPORT_TEXT_MAX];

    return mem_strdup(to->path != NULL ? to->path : hostport_format(to->host, to->port, text));
}

struct stdio *stdio_start(const struct stdio_request *r)
{
    struct stdio *s = mem_zalloc(sizeof(*s));
    int ends[2];

    *s =
        (struct stdio){.loop = r->loop, .fd = -1, .written_fd = -1, .done = r->done, .arg = r->arg};
    if (!socket_pair(true, ends))
        abort(); /* (at the start of the process there are descriptors) */
    s->fd = ends[0];
    s->to = target_text(r->to);
    s->connection = workers_send_internal(r->workers, r->generation,
                                          &(struct internal_request){.via = r->via,
                                                                     .to = *r->to,
                                                                     .hold_ms = HOLD_MS,
                                                                     .answered = on_stdio_answered,
                                                                     .ended = on_stdio_ended,
                                                                     .arg = s},
                                          ends[1]);
    return s;
}

static void output_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

void stdio_free(struct stdio *s)
{
    if (s == NULL)
        return;
    internal_connection_forget(s->connection);
    if (s->written != NULL)
        uv_close((uv_handle_t *)s->written, output_poll_closed);
    if (s->written_fd >= 0)
        close(s->written_fd);
    if (s->fd >= 0)
        close(s->fd);
    free(s->to);
    free(s->failed);
    free(s);
}

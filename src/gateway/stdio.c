/* A hop, with a pump each way between its socketpair and our standard input and output. */
#include "gateway/stdio.h"

#include "base/mem.h"
#include "shared/internal_connection.h"
#include "io/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether there is a session is not for us to judge: the gateway ends us when there will be none.
 */
#define HOLD_MS (UINT64_C(365) * 24 * 3600 * 1000)

struct stdio {
    struct loop *loop;
    struct internal_connection *connection;
    int fd;             /* our end; -1: the pumps have it */
    uv_poll_t *written; /* tells when the output is; NULL: not begun */
    int written_fd;
    bool output_ended;
    int output_error;
    bool hop_ended;
    char *failed; /* how; NULL: in order */
    void (*done)(void *arg, const char *failed);
    void *arg;
};

static void finish(struct stdio *s, const char *failed)
{
    void (*done)(void *arg, const char *failed) = s->done;
    void *arg = s->arg;
    char text[400];

    if (failed != NULL)
        snprintf(text, sizeof(text), "stdio forwarding failed: %s", failed);
    stdio_free(s);
    done(arg, failed != NULL ? text : NULL);
}

/* What was received must be written, and what has ended must say how. */
static void finish_if_ended(struct stdio *s)
{
    if (!s->output_ended)
        return;
    if (s->output_error == EPIPE)
        finish(s, NULL);
    else if (s->output_error != 0 && s->output_error != ECONNRESET) /* (that is the hop's end) */
        finish(s, strerror(s->output_error));
    else if (s->hop_ended)
        finish(s, s->failed);
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
    finish_if_ended(s);
}

static void hop_ended(void *arg, const char *failed)
{
    struct stdio *s = arg;

    s->connection = NULL;
    s->hop_ended = true;
    s->failed = mem_strdup(failed);
    finish_if_ended(s);
}

/* A standard stream as a descriptor that can be closed for good: its number stays taken. */
static int take(int fd, int flags)
{
    int taken = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", flags | O_CLOEXEC);

    if (null >= 0) {
        dup2(null, fd);
        close(null);
    }
    return taken;
}

/* Both directions. False: errno. */
static bool start_pumps(struct stdio *s)
{
    int back = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
    int fd = s->fd;

    s->fd = -1;
    if (!pump_start(back, take(STDOUT_FILENO, O_WRONLY), &s->written_fd)) {
        close(fd);
        return false;
    }
    s->written = mem_zalloc(sizeof(*s->written));
    uv_poll_init(loop_uv(s->loop), s->written, s->written_fd);
    s->written->data = s;
    uv_poll_start(s->written, UV_READABLE, output_written);
    return pump_start(take(STDIN_FILENO, O_RDONLY), fd, NULL);
}

static void hop_answered(void *arg, enum outcome outcome, const char *detail)
{
    struct stdio *s = arg;

    if (outcome != OUTCOME_OK) {
        s->connection = NULL;
        finish(s, detail);
    } else if (!start_pumps(s)) {
        finish(s, strerror(errno));
    }
}

struct stdio *stdio_start(struct loop *loop, struct workers *workers, struct generation *generation,
                          const char *via, const struct config_place *to,
                          void (*done)(void *arg, const char *failed), void *arg)
{
    struct stdio *s = mem_zalloc(sizeof(*s));
    int ends[2];

    *s = (struct stdio){.loop = loop, .fd = -1, .written_fd = -1, .done = done, .arg = arg};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        abort(); /* at the start of the process there are descriptors */
    s->fd = ends[0];
    s->connection = workers_send_internal(workers, generation,
                                          &(struct internal_request){.via = via,
                                                                     .to = *to,
                                                                     .hold_ms = HOLD_MS,
                                                                     .answered = hop_answered,
                                                                     .ended = hop_ended,
                                                                     .arg = s},
                                          ends[1]);
    return s;
}

static void poll_closed(uv_handle_t *handle)
{
    free(handle);
}

void stdio_free(struct stdio *s)
{
    if (s == NULL)
        return;
    internal_connection_forget(s->connection);
    if (s->written != NULL)
        uv_close((uv_handle_t *)s->written, poll_closed);
    if (s->written_fd >= 0)
        close(s->written_fd);
    if (s->fd >= 0)
        close(s->fd);
    free(s->failed);
    free(s);
}

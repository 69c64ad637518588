/* A channel: two pairs of sockets, as the master takes its standard input and output from us. One
 * pair would not do: the master closes its standard output where the server's data ends, which is
 * only seen when no other descriptor leads there.
 *
 * The end of a pair does not say whether the server's data has ended or the master has died. So the
 * owner is told the end of data once the master has answered a question that was asked after it. */
#include "session_openssh/parts.h"

#include "base/mem.h"
#include "io/socket.h"

#include <stdlib.h>
#include <unistd.h>

static struct master_stream *stream_of(const struct endpoint *endpoint)
{
    return container_of(endpoint, struct master_stream, endpoint);
}

static void stream_tell(struct later *news);
static void stream_fail(struct master_stream *st, const char *why);

static void stream_has_news(struct master_stream *st)
{
    if (!st->failed)
        later_post(st->session->loop, &st->news, stream_tell);
}

/* What the owner is owed. (It may close the stream in the event.) */
static void stream_tell(struct later *news)
{
    struct master_stream *st = container_of(news, struct master_stream, news);

    if (st->out == NULL)
        stream_fail(st, "no descriptors are left");
    if (!st->eof_sure)
        return;
    if (endpoint_owes_eof(&st->endpoint)) {
        if (st->out_gone)
            stream_has_news(st);
        endpoint_report_eof(&st->endpoint);
    } else if (st->out_gone && endpoint_owes_closed(&st->endpoint)) {
        endpoint_report_closed(&st->endpoint);
    }
}

static void stream_fail(struct master_stream *st, const char *why)
{
    if (st->failed)
        return;
    st->failed = true;
    endpoint_report_failed(&st->endpoint, why);
}

/* What the master writes. */

static size_t in_room(void *owner)
{
    struct master_stream *st = owner;
    size_t room = 0;

    if (!st->failed && st->endpoint.resumed)
        room = st->endpoint.events->room(st->endpoint.owner);
    if (room == 0)
        st->endpoint.resumed = false;
    return room;
}

static bool in_data(void *owner, const uint8_t *bytes, size_t length)
{
    struct master_stream *st = owner;

    st->session->bytes_in += length;
    st->session->heard = loop_now(st->session->loop);
    return st->endpoint.events->data(st->endpoint.owner, bytes, length);
}

static void in_eof(void *owner)
{
    struct master_stream *st = owner;

    st->eof_seen = true;
    if (!st->failed)
        st->check = master_session_ask(st->session);
}

static void in_failed(void *owner, const char *why)
{
    stream_fail(owner, why);
}

static void never_writable(void *owner)
{
    (void)owner;
}

static const struct endpoint_events in_events = {
    .room = in_room,
    .data = in_data,
    .eof = in_eof,
    .closed = in_eof,
    .writable = never_writable,
    .failed = in_failed,
};

/* What the master reads. It sends nothing there; the end shows that it reads no more. */

static size_t out_reads(void *owner)
{
    (void)owner;
    return SIZE_MAX;
}

static bool out_data(void *owner, const uint8_t *bytes, size_t length)
{
    (void)owner;
    (void)bytes;
    (void)length;
    return true;
}

static void out_ended(void *owner)
{
    struct master_stream *st = owner;

    st->out_gone = true;
    stream_has_news(st);
}

static void out_writable(void *owner)
{
    struct master_stream *st = owner;

    if (!st->failed)
        endpoint_report_writable(&st->endpoint);
}

static void out_failed(void *owner, const char *why)
{
    (void)why;
    out_ended(owner);
}

static const struct endpoint_events out_events = {
    .room = out_reads,
    .data = out_data,
    .eof = out_ended,
    .closed = out_ended,
    .writable = out_writable,
    .failed = out_failed,
};

/* A connection that the master has made: both in one. */

static void both_ended(void *owner)
{
    in_eof(owner);
    out_ended(owner);
}

/* (Behind the end of data it is the end in order.) */
static void both_failed(void *owner, const char *why)
{
    struct master_stream *st = owner;

    if (st->eof_seen)
        out_ended(owner);
    else
        stream_fail(st, why);
}

static const struct endpoint_events both_events = {
    .room = in_room,
    .data = in_data,
    .eof = in_eof,
    .closed = both_ended,
    .writable = out_writable,
    .failed = both_failed,
};

/* For the owner. */

static size_t stream_room(struct endpoint *endpoint)
{
    struct master_stream *st = stream_of(endpoint);

    return st->out_gone ? 0 : endpoint_room(st->out);
}

static size_t stream_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct master_stream *st = stream_of(endpoint);
    size_t taken = st->out_gone || st->failed ? 0 : endpoint_write(st->out, bytes, length);

    if (!st->failed)
        st->session->bytes_out += taken;
    return taken;
}

static void stream_write_eof(struct endpoint *endpoint)
{
    struct master_stream *st = stream_of(endpoint);

    if (!st->out_gone)
        endpoint_write_eof(st->out);
}

static void stream_resume(struct endpoint *endpoint)
{
    struct master_stream *st = stream_of(endpoint);

    if (st->failed)
        return;
    if (!st->eof_seen)
        endpoint_resume(st->in);
    if (st->eof_sure)
        stream_has_news(st);
}

/* The sockets close, and what was written still arrives unless the stream is to be cut: then the
 * call is closed, at which the master ends the channel. */
static void stream_close(struct endpoint *endpoint, bool abort)
{
    struct master_stream *st = stream_of(endpoint);

    buffer_clear(&st->endpoint.unsent);
    if (st->session != NULL) {
        later_cancel(st->session->loop, &st->news);
        LIST_REMOVE(st, link);
        if (abort || st->call == NULL)
            call_end(st->call);
        else
            call_linger(st->call, &st->session->lingering);
    }
    endpoint_close(st->in, abort);
    if (st->out != st->in)
        endpoint_close(st->out, abort);
    free(st);
}

static bool stream_is_draining(const struct endpoint *endpoint)
{
    const struct endpoint *out = stream_of(endpoint)->out;

    return out != NULL && endpoint_is_draining(out);
}

static size_t stream_held(const struct endpoint *endpoint)
{
    const struct endpoint *out = stream_of(endpoint)->out;

    return out != NULL ? endpoint_held(out) : 0;
}

static const struct endpoint_operations stream_operations = {
    .room = stream_room,
    .write = stream_write,
    .write_eof = stream_write_eof,
    .resume = stream_resume,
    .close = stream_close,
    .is_draining = stream_is_draining,
    .held = stream_held,
};

/* For the session. */

void stream_eof_is_sure(struct master_stream *st)
{
    st->eof_sure = true;
    stream_has_news(st);
}

void stream_cut(struct master_stream *st, const char *why)
{
    later_cancel(st->session->loop, &st->news);
    LIST_REMOVE(st, link);
    call_end(st->call);
    st->session = NULL;
    stream_fail(st, why);
}

/* (The call's end alone says nothing: the sockets' ends do.) */
static void call_is_over(void *arg, const struct mux_answer *answer)
{
    (void)arg;
    (void)answer;
}

struct endpoint *stream_new(struct master_session *session, int in, int out,
                            struct master_call *call)
{
    struct master_stream *st = mem_zalloc(sizeof(*st));

    st->endpoint.operations = &stream_operations;
    st->in = socket_endpoint_new(session->loop, in);
    st->out = st->in == NULL ? NULL : socket_endpoint_new(session->loop, out);
    if (st->out == NULL) {
        if (st->in != NULL)
            socket_endpoint_release(st->in, &st->endpoint.unsent);
        free(st);
        return NULL;
    }
    st->session = session;
    st->call = call;
    call_own(call, call_is_over, st);
    endpoint_own(st->in, &in_events, st);
    endpoint_own(st->out, &out_events, st);
    endpoint_resume(st->out);
    LIST_INSERT_HEAD(&session->streams, st, link);
    return &st->endpoint;
}

struct endpoint *stream_new_forwarded(struct master_session *session, int fd)
{
    struct master_stream *st = mem_zalloc(sizeof(*st));

    st->endpoint.operations = &stream_operations;
    st->session = session;
    st->in = st->out = socket_endpoint_new(session->loop, fd);
    LIST_INSERT_HEAD(&session->streams, st, link);
    if (st->out != NULL) {
        endpoint_own(st->in, &both_events, st);
        return &st->endpoint;
    }
    close(fd);
    st->eof_seen = st->out_gone = true;
    stream_has_news(st);
    return &st->endpoint;
}

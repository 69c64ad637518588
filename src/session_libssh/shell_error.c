/* The standard error of shell channels. It shares the channel's window with standard output: bytes
 * that its owner does not take stay with libssh, so that the server stops sending. */
#include "session_libssh/shell_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static struct error_stream *error_stream_of(struct endpoint *endpoint)
{
    return container_of(endpoint, struct error_stream, endpoint);
}

static void error_stream_report(struct later *reporting);

static void report_soon(struct error_stream *e)
{
    later_post(e->loop, &e->reporting, error_stream_report);
}

/* Takes over what libssh keeps. (`leftover` stays set meanwhile, so that what comes inside of these
 * calls queues up behind.) */
static void pull_error(struct error_stream *e)
{
    struct channel *ch = e->channel;
    struct libssh_session *before = session_enter(ch->session);
    int length = ssh_channel_poll(ch->handle, 1);
    int got = 0;

    if (length > 0)
        got = ssh_channel_read_nonblocking(ch->handle, buffer_reserve(&e->held, (size_t)length),
                                           (uint32_t)length, 1);
    if (got > 0) {
        buffer_commit(&e->held, (size_t)got);
        chan_delivered(ch, (uint32_t)got);
    }
    e->leftover = got > 0 && ssh_channel_poll(ch->handle, 1) > 0;
    session_leave(before);
    session_touch(ch->session);
}

/* Gives the owner what is held. False: there is no room. */
static bool give_held(struct error_stream *e)
{
    while (buffer_length(&e->held) > 0) {
        size_t room = e->endpoint.events->room(e->endpoint.owner);
        size_t length = buffer_length(&e->held) < room ? buffer_length(&e->held) : room;

        if (length == 0)
            return false;
        e->endpoint.events->data(e->endpoint.owner, buffer_data(&e->held), length);
        buffer_consume(&e->held, length);
    }
    return true;
}

static void error_stream_report(struct later *reporting)
{
    struct error_stream *e = container_of(reporting, struct error_stream, reporting);

    if (!e->endpoint.resumed)
        return;
    if (!give_held(e)) {
        e->endpoint.resumed = false;
    } else if (e->leftover) {
        pull_error(e);
        report_soon(e);
    } else if (e->closed && endpoint_owes_closed(&e->endpoint)) {
        endpoint_report_closed(&e->endpoint);
    } else if (e->eof && endpoint_owes_eof(&e->endpoint)) {
        endpoint_report_eof(&e->endpoint);
    }
}

/* The endpoint's operations. */

static size_t error_room(struct endpoint *endpoint)
{
    (void)endpoint;
    return 0;
}

static size_t error_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    (void)endpoint;
    (void)bytes;
    (void)length;
    return 0;
}

static void error_write_eof(struct endpoint *endpoint)
{
    (void)endpoint;
}

static void error_resume(struct endpoint *endpoint)
{
    report_soon(error_stream_of(endpoint));
}

static void error_stream_free(struct error_stream *e)
{
    later_cancel(e->loop, &e->reporting);
    buffer_clear(&e->held);
    free(e);
}

/* (What libssh keeps is dropped, as is what still comes.) */
static void error_close(struct endpoint *endpoint, bool abort)
{
    struct error_stream *e = error_stream_of(endpoint);

    (void)abort;
    if (e->channel != NULL) {
        e->channel->shell->error = NULL;
        if (e->leftover)
            pull_error(e);
    }
    error_stream_free(e);
}

static const struct endpoint_operations error_operations = {
    .room = error_room,
    .write = error_write,
    .write_eof = error_write_eof,
    .resume = error_resume,
    .close = error_close,
};

struct error_stream *error_stream_new(struct channel *ch)
{
    struct error_stream *e = mem_zalloc(sizeof(*e));

    e->endpoint.operations = &error_operations;
    e->loop = ch->session->loop;
    e->channel = ch;
    return e;
}

/* (Before it was started nobody owns the stream.) */
void error_stream_detach(struct error_stream *e, bool alive)
{
    if (e->endpoint.events == NULL) {
        error_stream_free(e);
        return;
    }
    if (alive && e->leftover)
        pull_error(e);
    e->leftover = false; /* (with a session that is lost, so is what libssh kept) */
    e->channel = NULL;
    e->closed = true;
    report_soon(e);
}

void error_stream_say(struct error_stream *e, const char *text)
{
    buffer_append(&e->held, text, strlen(text));
    report_soon(e);
}

/* What comes. */

int shell_error_data(struct channel *ch, const uint8_t *bytes, uint32_t length)
{
    struct error_stream *e = ch->shell != NULL ? ch->shell->error : NULL;
    bool direct = e != NULL && e->endpoint.resumed && !e->leftover && buffer_length(&e->held) == 0;

    if (e == NULL || (direct && e->endpoint.events->data(e->endpoint.owner, bytes, length))) {
        if (chan_delivered(ch, length))
            session_mark_dirty(ch->session, ch);
        return (int)length;
    }
    if (length > chan_window_most(ch))
        session_breach(ch->session, "the server sent more than the window allows");
    e->leftover = true;
    report_soon(e);
    return 0;
}

/* (Bytes for nobody are not counted: the channel may be at its end.) */
void shell_error_keep(struct channel *ch, const uint8_t *bytes, size_t length)
{
    struct error_stream *e = ch->shell->error;

    if (e == NULL)
        return;
    chan_delivered(ch, (uint32_t)length);
    e->leftover = ssh_channel_poll(ch->handle, 1) > 0;
    buffer_append(&e->held, bytes, length);
    report_soon(e);
}

void shell_error_ended(struct channel *ch, bool closed)
{
    struct error_stream *e = ch->shell != NULL ? ch->shell->error : NULL;

    if (e == NULL)
        return;
    e->eof = true;
    e->closed = e->closed || closed;
    report_soon(e);
}

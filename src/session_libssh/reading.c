/* What comes to a channel: libssh's callbacks, and the events that its owner gets of them.
 *
 * Inside libssh's callbacks nothing of libssh may be called that writes, closes or frees. So a
 * callback passes bytes on to its owner's socket, or sets a flag and marks the channel dirty;
 * chan_report does the rest in the session's turn, when no call of libssh's is on the stack. */
#include "session_libssh/channel.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

/* libssh may read more while it hands over what it has (0.11 always does). This bound keeps a fast
 * stream from holding its worker for ever. */
#define PULLS_A_TURN 8

bool chan_delivered(struct channel *ch, uint32_t length)
{
    ch->session->channels.carried += length;
    return chan_window_consumed(ch, length);
}

bool chan_is_confirmed(const struct channel *ch)
{
    return ch->state == CHANNEL_OPEN || ch->open.reply->confirmed ||
           ssh_channel_is_open(ch->handle);
}

/* The first data of a channel, or data that must not come (RFC 4254 sections 5.1 and 5.3). */
static bool may_receive(struct channel *ch)
{
    if (ch->ending.eof_seen)
        session_breach(ch->session, "the server sent data after the end of data");
    else if (!chan_is_confirmed(ch))
        session_breach(ch->session, "the server sent data on a channel that it had not confirmed");
    else
        ch->reading.receives = ch->window.is_announced = true;
    return ch->reading.receives;
}

/* libssh's callbacks. */

static int on_channel_data(ssh_session handle, ssh_channel channel, void *data, uint32_t length,
                           int is_stderr, void *userdata)
{
    struct channel *ch = userdata;

    (void)handle;
    (void)channel;
    if (!ch->reading.receives && !may_receive(ch))
        return (int)length;
    if (length == 0)
        return 0; /* (a message may have no bytes, of which an owner is not told) */
    if (is_stderr)
        return shell_error_data(ch, data, length);
    if (ch->endpoint.resumed && !ch->reading.leftover &&
        ch->endpoint.events->data(ch->endpoint.owner, data, length)) {
        if (chan_delivered(ch, length))
            session_mark_dirty(ch->session, ch);
        return (int)length;
    }
    /* libssh keeps the bytes that are not taken, and counts them against the window. */
    if (length > chan_window_most(ch))
        session_breach(ch->session, "the server sent more than the window allows");
    if (!ch->reading.leftover)
        ch->reading.leftover_since = loop_now(ch->session->loop);
    ch->reading.leftover = true;
    ch->reading.refused = true;
    return 0;
}

static void on_channel_eof(ssh_session handle, ssh_channel channel, void *userdata)
{
    struct channel *ch = userdata;

    (void)handle;
    (void)channel;
    chan_debug(ch, "end of data from the server");
    if (!chan_is_confirmed(ch))
        session_breach(ch->session, "the server ended a channel that it had not confirmed");
    ch->ending.eof_seen = true;
    ch->reading.receives = false;
    shell_error_ended(ch, false);
    session_mark_dirty(ch->session, ch);
}

static void on_channel_close(ssh_session handle, ssh_channel channel, void *userdata)
{
    struct channel *ch = userdata;

    (void)handle;
    (void)channel;
    chan_debug(ch, "close from the server");
    if (!chan_is_confirmed(ch))
        open_closed(ch);
    ch->ending.eof_seen = true;
    ch->reading.receives = false;
    ch->ending.close_seen = true;
    shell_error_ended(ch, true);
    session_mark_dirty(ch->session, ch);
}

void chan_reading_init(struct channel *ch)
{
    ch->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = ch,
        .channel_data_function = on_channel_data,
        .channel_eof_function = on_channel_eof,
        .channel_close_function = on_channel_close,
    };
    ssh_callbacks_init(&ch->callbacks);
    /* From the start: data, EOF and CLOSE may follow the confirmation in one read. */
    ssh_add_channel_callbacks(ch->handle, &ch->callbacks);
}

/* The owner's events. */

void chan_resume(struct endpoint *endpoint)
{
    struct channel *ch = container_of(endpoint, struct channel, endpoint);

    if (ch->session == NULL || (!ch->reading.leftover && !ch->ending.eof_seen))
        return;
    session_mark_dirty(ch->session, ch);
    session_touch(ch->session);
}

/* Pulls everything that libssh kept at once: each ssh_channel_read grows the window whatever is
 * still buffered, so that small reads for a slow consumer would let the server fill our memory.
 * `leftover` stays set meanwhile, so that packets that libssh handles inside these calls queue up
 * behind. */
static void pull_leftover(struct channel *ch)
{
    int length = ssh_channel_poll(ch->handle, 0);
    uint8_t *bytes;
    int got = 0;

    ch->reading.refused = false;
    if (length > 0) {
        bytes = mem_zalloc((size_t)length);
        got = ssh_channel_read_nonblocking(ch->handle, bytes, (uint32_t)length, 0);
        if (got > 0) {
            /* The owner said that it has room, which means room for everything: io/endpoint.h. */
            bool taken = ch->endpoint.events->data(ch->endpoint.owner, bytes, (size_t)got);
            assert(taken && "an owner takes what it said that it has room for");
            (void)taken;
            chan_delivered(ch, (uint32_t)got);
            ch->reading.leftover_since = loop_now(ch->session->loop);
        }
        free(bytes);
    }
    ch->reading.leftover = got > 0 && (got < length || ch->reading.refused);
}

void chan_report(struct channel *ch)
{
    struct endpoint *e = &ch->endpoint;

    if (ch->state != CHANNEL_OPEN || !e->resumed)
        return;
    if (ch->reading.leftover)
        chan_window_hold(ch, ch->reading.leftover_since);
    for (unsigned pulls = 0; ch->reading.leftover; pulls++) {
        if (e->events->room(e->owner) == 0) {
            e->resumed = false;
            return;
        }
        if (pulls == PULLS_A_TURN) {
            session_postpone(ch->session, ch);
            return;
        }
        pull_leftover(ch);
    }
    chan_window_announce(ch);
    if (ch->reading.leftover)
        return; /* libssh has read on meanwhile */
    if (ch->ending.close_seen && endpoint_owes_closed(e))
        endpoint_report_closed(e);
    else if (ch->ending.eof_seen && endpoint_owes_eof(e))
        endpoint_report_eof(e);
}

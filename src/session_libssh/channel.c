/* A channel (direct-tcpip, direct-streamlocal, forwarded-tcpip) as an endpoint.
 *
 * Inside libssh's callbacks nothing of libssh may be called that writes, closes or frees. So a
 * callback passes bytes on to its owner's socket or sets a flag and marks the channel dirty;
 * chan_settle does the rest when the session's drive is out of libssh. */
#include "session_libssh/internal.h"

#include "base/mem.h"
#include "session_libssh/breach.h"
#include "session_libssh/transport.h"

#include <assert.h>
#include <libssh/server.h>
#include <stdlib.h>

/* One packet's payload: OpenSSH takes 32 KiB, libssh keeps 10 bytes of that for itself. */
#define PACKET_MAX 32758

/* What one read of a client's socket may bring, in packets: each read costs as much as the copying
 * of one. */
#define PACKETS_A_READ 4

/* libssh may read more while it hands over what it has (0.11 always does): a fast stream shall not
 * keep its worker for ever. */
#define PULLS_A_TURN 8

static struct channel *of_endpoint(struct endpoint *endpoint)
{
    return container_of(endpoint, struct channel, endpoint);
}

static void mark_dirty(struct channel *ch)
{
    if (ch->is_dirty || ch->session == NULL)
        return;
    ch->is_dirty = true;
    TAILQ_INSERT_TAIL(&ch->session->dirty, ch, dirty_link);
}

uint32_t chan_window(const struct channel *ch)
{
    return ssh_channel_window_size(ch->handle);
}

/* The owner took so much. True: the peer is to hear of it. */
static bool delivered(struct channel *ch, uint32_t length)
{
    ch->session->carried += length;
    return chan_window_consumed(ch, length);
}

/* Whether the server has said yes to it; inside of libssh's callbacks, too. */
static bool is_confirmed(const struct channel *ch)
{
    return ch->state == CHANNEL_OPEN || ch->answer->confirmed || ssh_channel_is_open(ch->handle);
}

/* The first data of a channel, or data that must not come (RFC 4254 sections 5.1 and 5.3). */
static bool may_receive(struct channel *ch)
{
    if (ch->eof_seen)
        session_breach(ch->session, "the server sent data after the end of data");
    else if (!is_confirmed(ch))
        session_breach(ch->session, "the server sent data on a channel that it had not confirmed");
    else
        ch->receives = true;
    return ch->receives;
}

/* libssh's callbacks. */

static int on_data(ssh_session handle, ssh_channel channel, void *data, uint32_t length,
                   int is_stderr, void *userdata)
{
    struct channel *ch = userdata;

    (void)handle;
    (void)channel;
    if (!ch->receives && !may_receive(ch))
        return (int)length;
    if (is_stderr)
        return (int)length; /* there is no such stream: dropped */
    if (ch->endpoint.resumed && !ch->leftover &&
        ch->endpoint.events->data(ch->endpoint.owner, data, length)) {
        if (delivered(ch, length))
            mark_dirty(ch);
        return (int)length;
    }
    /* libssh keeps what is not taken, and counts it against the window. */
    if (length > chan_window_most(ch))
        session_breach(ch->session, "the server sent more than the window allows");
    if (!ch->leftover)
        ch->leftover_since = loop_now(ch->session->loop);
    ch->leftover = true;
    ch->refused = true;
    return 0;
}

static void on_eof(ssh_session handle, ssh_channel channel, void *userdata)
{
    struct channel *ch = userdata;

    (void)handle;
    (void)channel;
    if (!is_confirmed(ch))
        session_breach(ch->session, "the server ended a channel that it had not confirmed");
    ch->eof_seen = true;
    ch->receives = false;
    mark_dirty(ch);
}

/* (libssh has taken note of the close already, so that ssh_channel_is_open does not tell.) */
static void closed_unconfirmed(struct channel *ch)
{
    if (open_replies_are_certain(ch->answer)) {
        session_breach(ch->session, "the server closed a channel that it had not confirmed");
    } else if (!ch->answer->refused) {
        ch->answer->refused = true;
        ch->answer->reason = 2; /* SSH_OPEN_CONNECT_FAILED */
    }
}

static void on_close(ssh_session handle, ssh_channel channel, void *userdata)
{
    struct channel *ch = userdata;

    (void)handle;
    (void)channel;
    if (!is_confirmed(ch))
        closed_unconfirmed(ch);
    ch->eof_seen = true;
    ch->receives = false;
    ch->close_seen = true;
    mark_dirty(ch);
}

/* The endpoint's operations. */

static void want_room(struct channel *ch)
{
    if (ch->is_writer)
        return;
    ch->is_writer = true;
    TAILQ_INSERT_TAIL(&ch->session->writers, ch, writer_link);
}

static size_t chan_room(struct endpoint *endpoint)
{
    struct channel *ch = of_endpoint(endpoint);
    size_t window, packets;

    if (ch->state == CHANNEL_CUT || ch->close_seen)
        return 0; /* `failed` or `closed` is on its way */
    window = chan_window(ch);
    packets = (session_room(ch->session) + PACKET_MAX - 1) / PACKET_MAX;
    if (window == 0 || packets == 0) {
        want_room(ch);
        return 0;
    }
    /* (No more than is written at once: what is held is written before what is still to be read, so
     * that uploads could keep others from their turn for ever.) */
    if (packets > PACKETS_A_READ)
        packets = PACKETS_A_READ;
    return window < packets * PACKET_MAX ? window : packets * PACKET_MAX;
}

/* More packets than one write of PACKET_MAX bytes can need, with what a rekey has held back
 * (QUEUED_MAX in small pieces) and with answers to what the server asked meanwhile. */
#define PACKETS_A_WRITE 32768

/* Most of the channels' maximum packet sizes are known when they are confirmed (ssh/answers). Not
 * those of channels that the server opened, nor any with libssh 0.11 and later: so each write is
 * measured. Where nothing came in meanwhile all packets that went out were its own, but for one of
 * a rekey. (A packet carries at least the size less 10 bytes.) */
static void check_packet_size(struct libssh_session *s, int written, uint64_t packets)
{
    uint64_t fitting = BREACH_PACKET_MIN - 10;

    if (packets > (uint64_t)written / fitting + 2)
        session_breach(s, breach_of_packet_size(0));
}

/* As ssh_channel_write, which may send packets without end. */
static int write_part(struct channel *ch, const uint8_t *bytes, size_t length)
{
    struct libssh_session *s = ch->session;
    uint64_t out = s->packets.out_packets;
    uint64_t in = s->packets.in_packets;
    unsigned limit = transport_limit(PACKETS_A_WRITE);
    int written = ssh_channel_write(ch->handle, bytes, (uint32_t)length);

    if (transport_limit(limit) == 0)
        session_breach(s, breach_of_packet_size(0));
    else if (written > 0 && s->packets.in_packets == in)
        check_packet_size(s, written, s->packets.out_packets - out);
    return written;
}

static size_t chan_write(struct endpoint *endpoint, const uint8_t *bytes, size_t length)
{
    struct channel *ch = of_endpoint(endpoint);
    struct libssh_session *s = ch->session;
    size_t taken = 0;
    struct libssh_session *before;

    if (ch->state == CHANNEL_CUT || ch->close_seen)
        return 0;
    before = session_enter(s);
    while (taken < length && !session_congested(s) && !ch->close_seen) {
        size_t part = length - taken < PACKET_MAX ? length - taken : PACKET_MAX;
        uint64_t packets = s->packets.out_packets;
        int written = write_part(ch, bytes + taken, part);
        if (written <= 0) {
            /* With a window that means a rekey, which only the peer's packets bring further. */
            s->blocked = chan_window(ch) > 0 && !ch->close_seen;
            s->blocked_at = s->packets.in_packets;
            break;
        }
        /* In a rekey "written" packets are queued where no status shows them. */
        s->queued = s->packets.out_packets == packets && packets == s->queued_behind
                        ? s->queued + (uint64_t)written
                        : 0;
        s->queued_behind = s->packets.out_packets;
        session_wrote(s, (uint32_t)written);
        taken += (size_t)written;
        if ((size_t)written < part)
            break;
    }
    session_leave(before);
    if (taken < length)
        want_room(ch);
    session_touch(s);
    return taken;
}

static void chan_write_eof(struct endpoint *endpoint)
{
    struct channel *ch = of_endpoint(endpoint);
    struct libssh_session *before;

    if (ch->state == CHANNEL_CUT || ch->close_seen)
        return;
    before = session_enter(ch->session);
    ssh_channel_send_eof(ch->handle);
    session_leave(before);
    session_touch(ch->session);
}

static void chan_resume(struct endpoint *endpoint)
{
    struct channel *ch = of_endpoint(endpoint);

    if (ch->session == NULL || (!ch->leftover && !ch->eof_seen))
        return;
    mark_dirty(ch);
    session_touch(ch->session);
}

static void chan_close(struct endpoint *endpoint, bool abort)
{
    struct channel *ch = of_endpoint(endpoint);

    (void)abort; /* SSH has no reset */
    chan_free(ch);
}

static const struct endpoint_operations chan_operations = {
    .room = chan_room,
    .write = chan_write,
    .write_eof = chan_write_eof,
    .resume = chan_resume,
    .close = chan_close,
};

/* (Its session was entered.) */
static struct channel *make(struct libssh_session *s, enum channel_state state)
{
    struct channel *ch = mem_zalloc(sizeof(*ch));

    ch->endpoint.operations = &chan_operations;
    ch->session = s;
    ch->state = state;
    ch->asked_at = loop_now(s->loop);
    if (state == CHANNEL_OPENING)
        TAILQ_INSERT_TAIL(&s->opening, ch, link);
    else
        TAILQ_INSERT_TAIL(&s->open, ch, link);
    s->channels++;

    ch->handle = ssh_channel_new(s->handle);
    if (ch->handle == NULL)
        abort(); /* libssh found no memory */
    ch->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = ch,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
    };
    ssh_callbacks_init(&ch->callbacks);
    /* From the start: data, EOF and CLOSE may follow the confirmation in one read. */
    ssh_add_channel_callbacks(ch->handle, &ch->callbacks);
    return ch;
}

struct channel *chan_new(struct libssh_session *s, const struct open_target *target)
{
    struct libssh_session *before = session_enter(s);
    struct channel *ch = make(s, CHANNEL_OPENING);
    int rc;

    ch->answer = mem_zalloc(sizeof(*ch->answer));
    rc = open_replies_open_forward(&s->open_replies, ch->answer, ch->handle, target);
    /* (If the session is what failed, it will say so, and another one may do.) */
    if (rc == SSH_ERROR && !ch->answer->refused && !ssh_channel_is_open(ch->handle) &&
        !ch->close_seen && session_is_alive(s)) {
        ch->answer->refused = true;
        ch->answer->reason = 4; /* SSH_OPEN_RESOURCE_SHORTAGE: it is on our side */
    }
    session_leave(before);
    session_touch(s);
    return ch;
}

struct channel *chan_accept(struct libssh_session *s, ssh_message message)
{
    struct libssh_session *before = session_enter(s);
    struct channel *ch = make(s, CHANNEL_OPEN);

    /* (If it fails the session does, which cuts the channel.) */
    ssh_message_channel_request_open_reply_accept_channel(message, ch->handle);
    session_leave(before);
    session_touch(s);
    return ch;
}

static void forget_answer(struct channel *ch)
{
    if (ch->done == NULL)
        ch->session->abandoned--;
    open_replies_forget(&ch->session->open_replies, ch->answer);
    free(ch->answer);
    ch->answer = NULL;
}

void chan_confirmed(struct channel *ch)
{
    struct libssh_session *s = ch->session;

    forget_answer(ch);
    TAILQ_REMOVE(&s->opening, ch, link);
    TAILQ_INSERT_TAIL(&s->open, ch, link);
    ch->state = CHANNEL_OPEN;
}

/* Pulls all that libssh kept, at once: each ssh_channel_read grows the window whatever is still
 * buffered, so that small reads for a slow consumer would let the peer fill our memory. `leftover`
 * stays set meanwhile, so that packets that libssh handles inside these calls queue up behind. */
static void pull_leftover(struct channel *ch)
{
    int length = ssh_channel_poll(ch->handle, 0);
    uint8_t *bytes;
    int got = 0;

    ch->refused = false;
    if (length > 0) {
        bytes = mem_zalloc((size_t)length);
        got = ssh_channel_read_nonblocking(ch->handle, bytes, (uint32_t)length, 0);
        if (got > 0) {
            /* It said that it has room, and room is room for all: see endpoint.h. */
            bool taken = ch->endpoint.events->data(ch->endpoint.owner, bytes, (size_t)got);
            assert(taken);
            (void)taken;
            delivered(ch, (uint32_t)got);
            ch->leftover_since = loop_now(ch->session->loop);
        }
        free(bytes);
    }
    ch->leftover = got > 0 && (got < length || ch->refused);
}

void chan_settle(struct channel *ch)
{
    if (ch->state != CHANNEL_OPEN || !ch->endpoint.resumed)
        return;
    if (ch->leftover)
        chan_window_hold(ch, ch->leftover_since);
    for (unsigned pulls = 0; ch->leftover; pulls++) {
        if (ch->endpoint.events->room(ch->endpoint.owner) == 0) {
            ch->endpoint.resumed = false;
            return;
        }
        if (pulls == PULLS_A_TURN) {
            session_postpone(ch->session, ch);
            return;
        }
        pull_leftover(ch);
    }
    chan_window_announce(ch);
    if (ch->leftover)
        return; /* libssh has read on meanwhile */
    if (ch->close_seen && endpoint_owes_closed(&ch->endpoint))
        endpoint_report_closed(&ch->endpoint);
    else if (ch->eof_seen && endpoint_owes_eof(&ch->endpoint))
        endpoint_report_eof(&ch->endpoint);
}

/* Off all the session's lists. */
static void detach(struct channel *ch)
{
    struct libssh_session *s = ch->session;

    if (ch->is_writer)
        TAILQ_REMOVE(&s->writers, ch, writer_link);
    if (ch->is_dirty)
        TAILQ_REMOVE(ch->is_postponed ? &s->postponed : &s->dirty, ch, dirty_link);
    ch->is_writer = false;
    ch->is_dirty = false;
    ch->is_postponed = false;
    chan_window_release(ch);
    if (ch->state == CHANNEL_OPENING) {
        forget_answer(ch);
        TAILQ_REMOVE(&s->opening, ch, link);
    } else {
        TAILQ_REMOVE(&s->open, ch, link);
    }
    s->channels--;
    ssh_remove_channel_callbacks(ch->handle, &ch->callbacks);
}

void chan_cut(struct channel *ch, const char *why)
{
    bool opening = ch->state == CHANNEL_OPENING;

    detach(ch);
    ch->session = NULL;
    ch->handle = NULL; /* ssh_free frees it */
    ch->state = CHANNEL_CUT;
    if (opening) {
        struct open_failure failure = {.lost = true, .text = why};
        if (ch->done != NULL)
            ch->done(ch->arg, NULL, &failure);
        free(ch);
    } else {
        endpoint_report_failed(&ch->endpoint, why);
    }
}

void chan_free(struct channel *ch)
{
    struct libssh_session *s = ch->session;

    if (ch->state != CHANNEL_CUT) {
        bool confirmed = ch->state == CHANNEL_OPEN;
        struct libssh_session *before = session_enter(s);
        detach(ch);
        /* With output pending the first close sends only EOF; CLOSE takes another. */
        if (confirmed && ssh_channel_close(ch->handle) == SSH_AGAIN)
            ssh_channel_close(ch->handle);
        ssh_channel_free(ch->handle);
        session_leave(before);
        session_touch(s);
    }
    buffer_clear(&ch->endpoint.unsent);
    free(ch);
}

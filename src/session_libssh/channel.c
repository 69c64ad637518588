/* A channel (direct-tcpip, direct-streamlocal, forwarded-tcpip) as an endpoint: its life, and what
 * is written to it. What comes from the server is reading.c's. */
#include "session_libssh/channel.h"

#include "base/mem.h"
#include "session_libssh/breach.h"
#include "session_libssh/transport.h"

#include <libssh/server.h>
#include <stdio.h>
#include <stdlib.h>

/* One packet's payload: OpenSSH takes 32 KiB, libssh keeps 10 bytes of that for itself. */
#define PACKET_MAX 32758

/* How many packets' payload one read of a client's socket may bring: each read costs as much as the
 * copying of one packet. */
#define PACKETS_A_READ 4

static struct channel *of_endpoint(struct endpoint *endpoint)
{
    return container_of(endpoint, struct channel, endpoint);
}

const char *chan_number(const struct channel *ch, char text[static CHANNEL_NUMBER_TEXT])
{
    if (ch->number == CHANNEL_UNNUMBERED)
        snprintf(text, CHANNEL_NUMBER_TEXT, "?");
    else
        snprintf(text, CHANNEL_NUMBER_TEXT, "%u", ch->number);
    return text;
}

uint32_t chan_window(const struct channel *ch)
{
    return ssh_channel_window_size(ch->handle);
}

/* The endpoint's operations. */

static size_t chan_room(struct endpoint *endpoint)
{
    struct channel *ch = of_endpoint(endpoint);
    size_t window, packets;

    if (ch->state == CHANNEL_CUT || ch->ending.close_seen)
        return 0; /* `failed` or `closed` is on its way */
    window = chan_window(ch);
    packets = (session_room(ch->session) + PACKET_MAX - 1) / PACKET_MAX;
    if (window == 0 || packets == 0) {
        session_want_room(ch->session, ch);
        return 0;
    }
    /* (No more than is written at once: what is held is written before what is still to be read, so
     * that uploads could keep others from their turn for ever.) */
    if (packets > PACKETS_A_READ)
        packets = PACKETS_A_READ;
    return window < packets * PACKET_MAX ? window : packets * PACKET_MAX;
}

/* More packets than one write of PACKET_MAX bytes can need, with what a key exchange has held back
 * (QUEUED_MAX in small pieces) and with answers to what the server asked meanwhile. */
#define PACKETS_A_WRITE 32768

/* Most of the channels' maximum packet sizes are known when they are confirmed (open_replies.c).
 * Not those of channels that the server opened, nor any with libssh 0.11 and later: so each write
 * is measured. Where nothing came in meanwhile all packets that went out were its own, but for one
 * of a rekey. (A packet carries at least the size less 10 bytes.) */
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

    if (ch->state == CHANNEL_CUT || ch->ending.close_seen)
        return 0;
    before = session_enter(s);
    while (taken < length && !session_congested(s) && !ch->ending.close_seen) {
        size_t part = length - taken < PACKET_MAX ? length - taken : PACKET_MAX;
        uint64_t packets = s->packets.out_packets;
        int written = write_part(ch, bytes + taken, part);
        if (written <= 0) {
            session_write_refused(s, chan_window(ch) > 0 && !ch->ending.close_seen);
            break;
        }
        session_wrote(s, (uint32_t)written, packets);
        s->channels.carried += (uint32_t)written;
        taken += (size_t)written;
        if ((size_t)written < part)
            break;
    }
    session_leave(before);
    if (taken < length)
        session_want_room(ch->session, ch);
    session_touch(s);
    return taken;
}

static void chan_write_eof(struct endpoint *endpoint)
{
    struct channel *ch = of_endpoint(endpoint);
    struct libssh_session *before;

    if (ch->state == CHANNEL_CUT || ch->ending.close_seen)
        return;
    chan_debug(ch, "end of data to the server");
    before = session_enter(ch->session);
    ssh_channel_send_eof(ch->handle);
    session_leave(before);
    session_touch(ch->session);
}

static void chan_close(struct endpoint *endpoint, bool abort)
{
    struct channel *ch = of_endpoint(endpoint);

    (void)abort; /* SSH has no reset */
    chan_free(ch);
}

/* (A poll handles packets only where libssh keeps nothing.) */
static size_t chan_held(const struct endpoint *endpoint)
{
    const struct channel *ch = container_of(endpoint, const struct channel, endpoint);
    int length =
        ch->state == CHANNEL_OPEN && ch->reading.leftover ? ssh_channel_poll(ch->handle, 0) : 0;

    return length > 0 ? (size_t)length : 0;
}

static const struct endpoint_operations chan_operations = {
    .room = chan_room,
    .write = chan_write,
    .write_eof = chan_write_eof,
    .resume = chan_resume,
    .close = chan_close,
    .held = chan_held,
};

struct channel *chan_make(struct libssh_session *s, enum channel_state state)
{
    struct channel *ch = mem_zalloc(sizeof(*ch));

    ch->endpoint.operations = &chan_operations;
    ch->session = s;
    ch->state = state;
    ch->number = CHANNEL_UNNUMBERED;
    ch->open.asked_at = loop_now(s->loop);
    if (state == CHANNEL_OPENING)
        TAILQ_INSERT_TAIL(&s->channels.opening, ch, link);
    else
        TAILQ_INSERT_TAIL(&s->channels.open, ch, link);
    s->channels.count++;

    ch->handle = ssh_channel_new(s->handle);
    if (ch->handle == NULL)
        abort(); /* libssh found no memory */
    chan_reading_init(ch);
    return ch;
}

struct channel *chan_accept(struct libssh_session *s, ssh_message message)
{
    struct libssh_session *before = session_enter(s);
    struct channel *ch = chan_make(s, CHANNEL_OPEN);

    /* (If it fails the session does, which cuts the channel.) */
    ssh_message_channel_request_open_reply_accept_channel(message, ch->handle);
    session_leave(before);
    session_touch(s);
    return ch;
}

/* Off all the session's lists. */
static void chan_detach(struct channel *ch)
{
    struct libssh_session *s = ch->session;

    session_unqueue(s, ch);
    chan_window_release(ch);
    shell_end(ch, s->end.why == NULL && !s->end.dead);
    if (ch->state == CHANNEL_OPENING) {
        open_forget(ch);
        TAILQ_REMOVE(&s->channels.opening, ch, link);
    } else {
        TAILQ_REMOVE(&s->channels.open, ch, link);
    }
    s->channels.count--;
    ssh_remove_channel_callbacks(ch->handle, &ch->callbacks);
}

void chan_cut(struct channel *ch, const char *why)
{
    bool opening = ch->state == CHANNEL_OPENING || shell_is_starting(ch);

    chan_debug(ch, "cut: %s", why);
    chan_detach(ch);
    ch->session = NULL;
    ch->handle = NULL; /* ssh_free frees it */
    ch->state = CHANNEL_CUT;
    if (opening) {
        struct open_failure failure = {.lost = true, .text = why};
        if (ch->open.opened != NULL)
            ch->open.opened(ch->open.arg, NULL, &failure);
        shell_free(ch->shell);
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
        if (confirmed)
            chan_debug(ch, "close to the server");
        chan_detach(ch);
        if (confirmed)
            chan_window_end(ch);
        /* With output pending the first close sends only EOF; CLOSE takes another. */
        if (confirmed && ssh_channel_close(ch->handle) == SSH_AGAIN)
            ssh_channel_close(ch->handle);
        ssh_channel_free(ch->handle);
        session_leave(before);
        session_touch(s);
    }
    buffer_clear(&ch->endpoint.unsent);
    shell_free(ch->shell);
    free(ch);
}

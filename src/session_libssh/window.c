/* The receive window of a channel whose consumer keeps up: large enough not to hold its stream up,
 * so that one stream alone fills a long fat link.
 *
 * libssh 0.10 moves a window between 640 KB and 1.28 MB: over 100 ms that is 6 to 12 MB/s, and on
 * one machine the window is used up while adit waits for a processor. The only way to a larger
 * window is to ask libssh for a read of that many bytes, for which it announces the difference to
 * the server. The read is asked of the standard error stream, which a direct-tcpip channel does not
 * have, so that it never returns anything. 0.11 has a fixed window of 2 MiB. */
#include "session_libssh/channel.h"

#include "base/mem.h"

#include <stdlib.h>

#if LIBSSH_VERSION_INT < SSH_VERSION_INT(0, 11, 0)

/* The window that a stream gets once it has carried STREAM_BYTES: hardly more than libssh's own,
 * which it must not be below, but all of it all the time. */
#define STREAM_BYTES (256U * 1024)
#define WINDOW_FIRST (1280U * 1024)

/* sshd keeps what the window allows and the link does not take in a buffer that it enlarges by 16
 * KiB at a time, copying everything each time. With a window of 16 MiB that cost sshd 2.5 s, now
 * and then. */
#define WINDOW_MAX (10U * 1024 * 1024)

/* How much all channels of a session may have been granted beyond that: a bound on memory for the
 * case that all of their consumers stop at once. */
#define SESSION_MAX ((uint64_t)64 * 1024 * 1024)

/* The server is told of free window each time this part of the window was used up. */
#define PART 8

/* On a shorter way a window above ssh's own is of no use, and does harm: a server that reads faster
 * than it sends keeps a whole window in that buffer, and then moves more bytes than it sends. A way
 * that seems to be longer is measured before a window is enlarged. */
#define FAR_MS 5
#define NEAR_MAX (2U * 1024 * 1024)

/* A stream is limited by its window if it used a whole window within QUARTERS quarters of a round
 * trip, or within BRIEF_MS, in which adit may have had to wait for a processor. */
#define QUARTERS 5
#define BRIEF_MS 10

/* A read of this many bytes, more than the 64,000 that libssh begins with, makes libssh announce
 * all of its own window. It would do that at the first data only, which on a long way is a round
 * trip lost; and it would do so for a channel that was closed meanwhile, whose number the server
 * may have given to another one. */
#define OWN_WINDOW 128000

/* The destination of the read that never returns anything; never touched, so it costs no memory. */
static uint8_t nowhere[WINDOW_MAX];

/* The part of a window that counts for SESSION_MAX. */
static uint32_t beyond_own(uint32_t window)
{
    return window > WINDOW_FIRST ? window - WINDOW_FIRST : 0;
}

static void charge(struct channel *ch, uint32_t window)
{
    ch->session->window_granted += beyond_own(window);
    ch->session->window_granted -= beyond_own(ch->window.charged);
    ch->window.charged = window;
}

static bool is_far(const struct libssh_session *s)
{
    return s->round_trip.ms >= FAR_MS;
}

/* A larger window, if the session's share allows it. */
static bool grow(struct channel *ch)
{
    const struct libssh_session *s = ch->session;
    uint32_t most = is_far(s) && !s->global_requests.probing ? WINDOW_MAX : NEAR_MAX;
    uint32_t twice = ch->window.size == 0 ? WINDOW_FIRST : 2 * ch->window.size;
    uint32_t larger = twice < most ? twice : most;
    /* (After a hold, growing begins anew when everything announced before has come.) */
    bool allowed =
        larger > ch->window.size && ch->window.charged == ch->window.size &&
        s->window_granted - beyond_own(ch->window.charged) + beyond_own(larger) <= SESSION_MAX;

    if (!allowed)
        return false;
    charge(ch, larger);
    ch->window.size = larger;
    return true;
}

/* A whole window was consumed, or STREAM_BYTES of libssh's own: decides whether the window grows.
 */
static void consider(struct channel *ch)
{
    const struct libssh_session *s = ch->session;
    uint64_t lasts = QUARTERS * s->round_trip.ms / 4;
    bool begins = ch->window.size == 0;
    bool held_up = loop_now(s->loop) <= ch->window.began + (lasts > BRIEF_MS ? lasts : BRIEF_MS);

    ch->window.began = loop_now(s->loop);
    ch->window.consumed = 0;
    if ((begins || held_up) && grow(ch)) {
        ch->window.began += s->round_trip.ms; /* what this lets the server send comes only then */
        ch->window.probe_wanted = begins && is_far(s);
    }
}

/* Has libssh announce a window of that size. (A shell channel has a standard error: what libssh
 * gives away of it is kept.) */
static void announce(struct channel *ch, uint32_t size)
{
    uint8_t *bytes = ch->shell != NULL ? mem_zalloc(size) : nowhere;
    int got = ssh_channel_read_timeout(ch->handle, bytes, size, 1, 0);

    if (ch->shell == NULL)
        return;
    if (got > 0)
        shell_error_keep(ch, bytes, (size_t)got);
    free(bytes);
}

void chan_window_begin(struct channel *ch)
{
    if (!is_far(ch->session) || ch->ending.eof_seen)
        return;
    ch->window.is_announced = true;
    announce(ch, OWN_WINDOW);
}

void chan_window_end(struct channel *ch)
{
    if (!ch->window.is_announced && !ch->ending.eof_seen)
        announce(ch, OWN_WINDOW);
}

bool chan_window_consumed(struct channel *ch, uint32_t length)
{
    if (ch->window.size == 0 && ch->window.charged > 0)
        charge(ch, ch->window.charged > length ? ch->window.charged - length : 0);
    ch->window.consumed += length;
    ch->window.unannounced += length;
    if (ch->window.consumed >= (ch->window.size == 0 ? STREAM_BYTES : ch->window.size))
        consider(ch);
    return ch->window.probe_wanted ||
           (ch->window.size > 0 && ch->window.unannounced >= ch->window.size / PART);
}

/* (A read announces libssh's own window anew while what came by the last one is still kept. And
 * libssh announces it for data on standard error, however much is kept of the other stream.) */
uint32_t chan_window_most(const struct channel *ch)
{
    return 2 * WINDOW_FIRST + ch->window.charged;
}

void chan_window_announce(struct channel *ch)
{
    if (ch->window.probe_wanted)
        global_requests_probe(ch->session);
    ch->window.probe_wanted = false;
    if (ch->window.size == 0 || ch->window.unannounced < ch->window.size / PART ||
        ch->ending.eof_seen)
        return;
    ch->window.unannounced = 0;
    announce(ch, ch->window.size);
}

void chan_window_hold(struct channel *ch, uint64_t since)
{
    if (loop_now(ch->session->loop) - since <= ch->session->round_trip.ms)
        return;
    ch->window.size = 0;
    ch->window.consumed = 0;
    ch->window.unannounced = 0;
}

void chan_window_release(struct channel *ch)
{
    charge(ch, 0);
}

#else

/* libssh's own window, which is fixed. */
#define OWN_WINDOW (2U * 1024 * 1024)

void chan_window_begin(struct channel *ch)
{
    (void)ch;
}

void chan_window_end(struct channel *ch)
{
    (void)ch;
}

bool chan_window_consumed(struct channel *ch, uint32_t length)
{
    (void)ch;
    (void)length;
    return false;
}

uint32_t chan_window_most(const struct channel *ch)
{
    (void)ch;
    return 2 * OWN_WINDOW;
}

void chan_window_announce(struct channel *ch)
{
    (void)ch;
}

void chan_window_hold(struct channel *ch, uint64_t since)
{
    (void)ch;
    (void)since;
}

void chan_window_release(struct channel *ch)
{
    (void)ch;
}

#endif

/* The receive window of a channel whose consumer keeps up, so that a stream is not held up by it,
 * and one alone fills a long fat link.
 *
 * libssh 0.10 moves a window between 640 KB and 1.28 MB: over 100 ms that is 6 to 12 MB/s, and on
 * one machine it is used up while we wait for a processor. The one way to a larger one is to ask
 * for a read of that many bytes: it announces the difference to the peer. Asked of the standard
 * error stream, which a direct-tcpip channel does not have, the read never returns anything. 0.11
 * has a fixed window of 2 MiB. */
#include "session_libssh/channel.h"

#if LIBSSH_VERSION_INT < SSH_VERSION_INT(0, 11, 0)

/* What a stream of so many bytes gets first: hardly more than libssh's own, which it must not be
 * below, but all of it all the time. */
#define STREAM_BYTES (256U * 1024)
#define WINDOW_FIRST (1280U * 1024)

/* What the window allows and the link does not take, sshd keeps in a buffer that it makes larger
 * 16 KiB at a time, copying all of it each time. With 16 MiB that cost it 2.5 s, now and then. */
#define WINDOW_MAX (10U * 1024 * 1024)

/* What all channels of a session may have been granted beyond that: a bound on memory when all of
 * their consumers stop at once. */
#define SESSION_MAX ((uint64_t)64 * 1024 * 1024)

/* The peer hears of free window each time this part of it was used up. */
#define PART 8

/* On a shorter way no more than ssh's own is of use, and more does harm: a server that reads faster
 * than it sends keeps all of it in that buffer, and then moves more bytes than it sends. A way that
 * seems to be longer is measured before a window gets larger. */
#define FAR_MS 5
#define NEAR_MAX (2U * 1024 * 1024)

/* A window that is what holds a stream up lasts for a round trip: for so many quarters of one at
 * most, or so many milliseconds, in which we may have to wait for a processor. */
#define QUARTERS 5
#define BRIEF_MS 10

/* A read of so many bytes, more than the 64,000 that libssh begins with, has it announce all of its
 * own window. It would do so at the first data only, which on a long way is a round trip lost. */
#define OWN_WINDOW 128000

/* Where the read that never returns anything would go; never touched, so it costs no memory. */
static uint8_t nowhere[WINDOW_MAX];

/* What counts for SESSION_MAX. */
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
    /* (After a hold it begins anew when what was announced before has come.) */
    bool allowed =
        larger > ch->window.size && ch->window.charged == ch->window.size &&
        s->window_granted - beyond_own(ch->window.charged) + beyond_own(larger) <= SESSION_MAX;

    if (!allowed)
        return false;
    charge(ch, larger);
    ch->window.size = larger;
    return true;
}

/* A whole window was consumed, or what makes a stream: what then? */
static void consider(struct channel *ch)
{
    const struct libssh_session *s = ch->session;
    uint64_t lasts = QUARTERS * s->round_trip.ms / 4;
    bool begins = ch->window.size == 0;
    bool held_up = loop_now(s->loop) <= ch->window.began + (lasts > BRIEF_MS ? lasts : BRIEF_MS);

    ch->window.began = loop_now(s->loop);
    ch->window.consumed = 0;
    if ((begins || held_up) && grow(ch)) {
        ch->window.began += s->round_trip.ms; /* only then comes what this lets come */
        ch->window.probe_wanted = begins && is_far(s);
    }
}

void chan_window_begin(struct channel *ch)
{
    if (is_far(ch->session) && !ch->ending.eof_seen)
        ssh_channel_read_timeout(ch->handle, nowhere, OWN_WINDOW, 1, 0);
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

/* (A read announces libssh's own window anew while what came by the last one is still kept. But
 * libssh announces it for data on standard error, too, however much is kept of the other stream.)
 */
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
    ssh_channel_read_timeout(ch->handle, nowhere, ch->window.size, 1, 0);
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

/* libssh's, which is fixed. */
#define OWN_WINDOW (2U * 1024 * 1024)

void chan_window_begin(struct channel *ch)
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

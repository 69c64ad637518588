/* Opening channels: what is asked of the server, and the reports about its replies. (How a reply is
 * recognised is open_replies.c's.) */
#include "session_libssh/channel.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

/* libssh opens a channel to a unix socket only where it takes the server for OpenSSH, and 0.10
 * reads the version at a fixed place, where OpenSSH 10 has another digit. ssh(1) asks every server,
 * which can refuse. (The linker prefers a program's own function. Of what adit uses, libssh calls
 * it for nothing else.) */
int ssh_get_openssh_version(ssh_session session)
{
    (void)session;
    return SSH_VERSION_INT(10, 0, 0);
}

/* An open without an answer for so long is asked about, until it is known that the log would have
 * told of a refusal. */
#define ASK_AFTER_MS 250

struct channel *chan_open_to(struct libssh_session *s, const struct open_target *target)
{
    struct libssh_session *before = session_enter(s);
    struct channel *ch = chan_make(s, CHANNEL_OPENING);
    int rc;

    assert((target->path != NULL || target->tcp != NULL || target->shell) &&
           "an open has a target");
    ch->open.reply = mem_zalloc(sizeof(*ch->open.reply));
    rc = open_replies_open_forward(&s->open_replies, ch->open.reply, ch->handle, target);
    /* (If the session itself failed, its death is reported, and another session may do.) */
    if (rc == SSH_ERROR && !ch->open.reply->refused && !ssh_channel_is_open(ch->handle) &&
        !ch->ending.close_seen && session_is_alive(s)) {
        ch->open.reply->refused = true;
        ch->open.reply->reason = 4; /* SSH_OPEN_RESOURCE_SHORTAGE: on our side */
    }
    if (ch->open.reply->numbered)
        ch->number = ch->open.reply->number;
    if (target->shell)
        chan_debug(ch, "open of a session channel asked");
    else if (target->path != NULL)
        chan_debug(ch, "open of %s asked", target->path);
    else
        chan_debug(ch, "open of %s port %u asked", target->tcp->host, target->tcp->port);
    session_leave(before);
    session_touch(s);
    return ch;
}

static struct session_open *open_to(struct session *session, const struct open_target *target,
                                    session_opened_fn *opened, void *arg)
{
    struct channel *ch = chan_open_to(libssh_session_of(session), target);

    ch->open.base.operations = session->operations;
    ch->open.opened = opened;
    ch->open.arg = arg;
    return &ch->open.base;
}

struct session_open *libssh_open_tcp(struct session *session, const struct tcp_target *target,
                                     session_opened_fn *opened, void *arg)
{
    return open_to(session, &(struct open_target){.tcp = target}, opened, arg);
}

struct session_open *libssh_open_unix(struct session *session, const char *path,
                                      session_opened_fn *opened, void *arg)
{
    return open_to(session, &(struct open_target){.path = path}, opened, arg);
}

void libssh_open_cancel(struct session_open *open)
{
    struct channel *ch = container_of(open, struct channel, open.base);

    if (shell_is_starting(ch)) {
        chan_free(ch);
        return;
    }
    chan_debug(ch, "open abandoned: its reply is awaited");
    ch->open.opened = NULL;
    ch->session->channels.abandoned++;
}

void open_forget(struct channel *ch)
{
    if (ch->open.opened == NULL)
        ch->session->channels.abandoned--;
    open_replies_forget(&ch->session->open_replies, ch->open.reply);
    free(ch->open.reply);
    ch->open.reply = NULL;
}

/* (libssh has taken note of the close already, so that ssh_channel_is_open does not tell.) */
void open_closed(struct channel *ch)
{
    if (open_replies_are_certain(ch->open.reply)) {
        session_breach(ch->session, "the server closed a channel that it had not confirmed");
    } else if (!ch->open.reply->refused) {
        ch->open.reply->refused = true;
        ch->open.reply->reason = 2; /* SSH_OPEN_CONNECT_FAILED */
    }
}

/* (libssh 0.11 does not tell the maximum packet size, which is 0 then.) */
static void log_confirmed(const struct channel *ch)
{
    unsigned long long took = loop_now(ch->session->loop) - ch->open.asked_at;

    if (ch->open.reply->packet_max > 0)
        chan_debug(ch, "confirmed after %llu ms: window %u, maximum packet %u", took,
                   chan_window(ch), ch->open.reply->packet_max);
    else
        chan_debug(ch, "confirmed after %llu ms: window %u", took, chan_window(ch));
}

/* The server confirmed: from here on it is an endpoint. */
static void confirm(struct channel *ch)
{
    struct libssh_session *s = ch->session;

    open_forget(ch);
    TAILQ_REMOVE(&s->channels.opening, ch, link);
    TAILQ_INSERT_TAIL(&s->channels.open, ch, link);
    ch->state = CHANNEL_OPEN;
}

/* Asks libssh about each open that waits. */
static void ask_about_opens(struct libssh_session *s)
{
    struct channel *ch;

    TAILQ_FOREACH (ch, &s->channels.opening, link)
        if (session_is_alive(s))
            open_replies_ask(s->handle, ch->open.reply);
    s->channels.asked_at = s->packets.in_packets;
}

void opens_tick(struct libssh_session *s)
{
    const struct channel *oldest = TAILQ_FIRST(&s->channels.opening);
    struct libssh_session *before;

    if (s->end.dead || oldest == NULL || open_replies_asking() != OPEN_REPLIES_UNTRIED ||
        loop_now(s->loop) - oldest->open.asked_at < ASK_AFTER_MS)
        return;
    before = session_enter(s);
    ask_about_opens(s);
    session_leave(before);
    session_touch(s);
}

/* Opens that were answered. The callee may ask for more opens and cancel others; cancelled ones
 * stay listed. */
void opens_report(struct libssh_session *s)
{
    struct channel *ch;

    if (!TAILQ_EMPTY(&s->channels.opening) && s->packets.in_packets != s->channels.asked_at &&
        open_replies_asking() == OPEN_REPLIES_ARE_ASKED)
        ask_about_opens(s);
    ch = TAILQ_FIRST(&s->channels.opening);
    while (ch != NULL && !s->end.breached) {
        struct channel *next = TAILQ_NEXT(ch, link);
        session_opened_fn *opened = ch->open.opened;
        if (ch->open.reply->refused) {
            struct open_failure failure = {.reason = ch->open.reply->reason,
                                           .text = ch->open.reply->text};
            chan_debug(ch, "refused: reason %u: %s", failure.reason, failure.text);
            if (opened != NULL)
                opened(ch->open.arg, NULL, &failure);
            chan_free(ch);
        } else if (ch->open.reply->confirmed || ssh_channel_is_open(ch->handle)) {
            open_replies_check_confirmed(ch->open.reply);
            /* (Closed again within the same read it is not open, but it was.) */
            log_confirmed(ch);
            confirm(ch);
            session_note_round_trip(s, loop_now(s->loop) - ch->open.asked_at);
            chan_window_begin(ch);
            if (opened == NULL)
                chan_free(ch);
            else if (ch->shell != NULL)
                shell_begin(ch);
            else
                opened(ch->open.arg, &ch->endpoint, NULL);
        }
        ch = next;
    }
}

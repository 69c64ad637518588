/* Ports that the server listens on for us, and the connections that come to them (RFC 4254 section
 * 7).
 *
 * libssh hands the opens of the server to a callback, which has to answer at once, or keeps them
 * until they are asked for. While nobody listens the callback refuses them; else libssh keeps them,
 * because the answer is known only when the connection's target has answered. */
#include "session_libssh/channel.h"

#include "base/log.h"
#include "base/mem.h"

#include <libssh/server.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How many of the server's opens are taken in one turn; refused ones do not count. */
#define FORWARDED_OPENS_A_TURN 64

/* How many forwarded opens of a session may wait for their targets at a time: each costs a
 * descriptor. */
#define FORWARDED_OPENS_MAX 128

struct libssh_listen {
    struct session_listen base;
    TAILQ_ENTRY(libssh_listen) link;
    struct libssh_session *session;
    struct global_request request; /* the listen, then its cancel */
    struct session_listen_events events;
    void *arg;
    char *bind;
    uint16_t port;  /* that the server listens on */
    bool up;        /* it does */
    bool abandoned; /* its owner has freed it */
};

struct libssh_forwarded_open {
    struct forwarded_open base;
    TAILQ_ENTRY(libssh_forwarded_open) link;
    struct libssh_session *session;
    ssh_message message;
    forwarded_open_lost_fn *lost;
    void *arg;
};

static struct libssh_forwarded_open *libssh_forwarded_open_of(struct forwarded_open *forwarded)
{
    return container_of(forwarded, struct libssh_forwarded_open, base);
}

/* Refuses what the server opens while nobody listens: libssh does when this returns 1. */
static int refuse_message(ssh_session handle, ssh_message message, void *userdata)
{
    (void)handle;
    (void)message;
    (void)userdata;
    return 1;
}

/* Has libssh keep what the server opens, or refuse it. */
static void set_listening(struct libssh_session *s, bool listening)
{
    s->forwarded.listening = listening;
    ssh_set_message_callback(s->handle, listening ? NULL : refuse_message, NULL);
}

void forwarded_opens_init(struct libssh_session *s)
{
    TAILQ_INIT(&s->forwarded.listens);
    TAILQ_INIT(&s->forwarded.waiting);
    global_requests_init(&s->global_requests);
    /* What the server opened while it was dialled lies in libssh's queue: the first turn refuses
     * it. */
    set_listening(s, true);
    s->forwarded.more = true;
}

void forwarded_opens_expect(struct libssh_session *s)
{
    if (!s->forwarded.listening)
        set_listening(s, true);
}

/* Listening. */

static void listen_forget(struct libssh_listen *l)
{
    TAILQ_REMOVE(&l->session->forwarded.listens, l, link);
    free(l->bind);
    free(l);
}

static void listen_cancelled(struct global_request *request, bool accepted, uint16_t port)
{
    (void)accepted; /* what comes to a port that the server did not cancel is refused */
    (void)port;
    listen_forget(container_of(request, struct libssh_listen, request));
}

static void listen_cancel(struct libssh_listen *l)
{
    l->up = false;
    l->request = (struct global_request){
        .cancel = true, .bind = l->bind, .port = l->port, .answered = listen_cancelled};
    global_requests_ask(l->session, &l->request);
}

static void listen_answered(struct global_request *request, bool accepted, uint16_t port)
{
    struct libssh_listen *l = container_of(request, struct libssh_listen, request);

    l->request.answered = NULL; /* it is off the queue */
    l->up = accepted && port != 0;
    l->port = port;
    session_debug(l->session, "the server %s on '%s' port %u",
                  l->up ? "listens" : "does not listen", l->bind, l->up ? port : request->port);
    if (!l->abandoned)
        l->events.answered(l->arg, &(struct listen_answer){.listens = port != 0, .port = port});
    else if (l->up)
        listen_cancel(l);
    else
        listen_forget(l);
}

struct session_listen *libssh_listen(struct session *session, const struct listen_place *place,
                                     const struct session_listen_events *events, void *arg)
{
    struct libssh_session *s = libssh_session_of(session);
    struct libssh_listen *l = mem_zalloc(sizeof(*l));

    l->base.operations = session->operations;
    l->session = s;
    l->events = *events;
    l->arg = arg;
    l->bind = mem_strdup(place->bind);
    l->request =
        (struct global_request){.bind = l->bind, .port = place->port, .answered = listen_answered};
    TAILQ_INSERT_TAIL(&s->forwarded.listens, l, link);
    /* (From before the request: a connection may come in one read with the answer.) */
    forwarded_opens_expect(s);
    session_debug(s, "listen on '%s' port %u asked", place->bind, place->port);
    global_requests_ask(s, &l->request);
    return &l->base;
}

void libssh_listen_free(struct session_listen *listen)
{
    struct libssh_listen *l = container_of(listen, struct libssh_listen, base);

    l->abandoned = true;
    if (l->up)
        listen_cancel(l);
    else if (l->request.answered == NULL || global_requests_withdraw(l->session, &l->request))
        listen_forget(l);
}

/* Connections. */

/* The listen that an open is for, by the address as it was asked for and the actual port (RFC 4254
 * section 7.2). */
static struct libssh_listen *listen_find(const struct libssh_session *s, ssh_message message)
{
    const char *bind;
    int port;
    struct libssh_listen *l;

    if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN ||
        ssh_message_subtype(message) != SSH_CHANNEL_FORWARDED_TCPIP)
        return NULL;
    bind = ssh_message_channel_request_open_destination(message);
    port = ssh_message_channel_request_open_destination_port(message);
    TAILQ_FOREACH (l, &s->forwarded.listens, link)
        if (l->up && l->port == port && strcmp(l->bind, bind) == 0)
            return l;
    return NULL;
}

/* Whether no more are taken for now; logged once, until none waits any more. */
static bool is_full_of_opens(struct libssh_session *s)
{
    if (s->forwarded.count < FORWARDED_OPENS_MAX)
        return false;
    if (!s->forwarded.refusal_logged)
        log_warning("%d connections of a session's remote forwards wait for their targets: the "
                    "server's further ones are refused",
                    FORWARDED_OPENS_MAX);
    s->forwarded.refusal_logged = true;
    return true;
}

static void forwarded_open_begin(struct libssh_listen *l, ssh_message message)
{
    struct libssh_session *s = l->session;
    struct libssh_forwarded_open *forwarded = mem_zalloc(sizeof(*forwarded));

    forwarded->base.operations = s->base.operations;
    forwarded->session = s;
    forwarded->message = message;
    TAILQ_INSERT_TAIL(&s->forwarded.waiting, forwarded, link);
    s->channels.count++;
    s->forwarded.count++;
    session_debug(s, "the server opens a channel for '%s' port %u", l->bind, l->port);
    l->events.forwarded(l->arg, &forwarded->base,
                        ssh_message_channel_request_open_originator(message),
                        (uint16_t)ssh_message_channel_request_open_originator_port(message));
}

/* Whether the message became a forwarded open. Frees it otherwise. */
static bool forwarded_open_take(struct libssh_session *s, ssh_message message)
{
    struct libssh_listen *l;

    /* The answer to a listen may have come along with it. */
    if (s->global_requests.asked)
        global_requests_turn(s);
    if (shell_take_agent(s, message))
        return true;
    l = listen_find(s, message);
    if (l != NULL && !is_full_of_opens(s)) {
        forwarded_open_begin(l, message);
        return true;
    }
    /* (A request about a channel is not answered: the channel may be gone by now.) */
    if (ssh_message_type(message) == SSH_REQUEST_CHANNEL_OPEN)
        ssh_message_reply_default(message);
    ssh_message_free(message);
    return false;
}

static void forwarded_opens_take(struct libssh_session *s)
{
    unsigned taken = 0;
    ssh_message message;

    while (taken < FORWARDED_OPENS_A_TURN && session_is_alive(s) &&
           (message = ssh_message_get(s->handle)) != NULL)
        taken += forwarded_open_take(s, message);
    s->forwarded.more = taken == FORWARDED_OPENS_A_TURN;
    s->forwarded.looked_at = s->packets.in_packets;
    if (TAILQ_EMPTY(&s->forwarded.listens) && !s->forwarded.more && s->channels.agents == 0)
        set_listening(s, false);
}

static bool has_news(const struct libssh_session *s)
{
    return s->forwarded.more || s->packets.in_packets != s->forwarded.looked_at;
}

void forwarded_opens_turn(struct libssh_session *s)
{
    if (!s->forwarded.listening || (!has_news(s) && !s->global_requests.fresh))
        return;
    global_requests_turn(s);
    forwarded_opens_take(s);
}

bool forwarded_opens_is_due(const struct libssh_session *s)
{
    return s->forwarded.listening && (has_news(s) || s->global_requests.fresh);
}

static void forwarded_open_end(struct libssh_forwarded_open *forwarded)
{
    TAILQ_REMOVE(&forwarded->session->forwarded.waiting, forwarded, link);
    forwarded->session->channels.count--;
    forwarded->session->forwarded.count--;
    if (forwarded->session->forwarded.count == 0)
        forwarded->session->forwarded.refusal_logged = false;
    ssh_message_free(forwarded->message);
    free(forwarded);
}

void libssh_forwarded_open_own(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost,
                               void *arg)
{
    struct libssh_forwarded_open *f = libssh_forwarded_open_of(forwarded);

    f->lost = lost;
    f->arg = arg;
}

struct endpoint *libssh_forwarded_open_accept(struct forwarded_open *forwarded)
{
    struct libssh_forwarded_open *f = libssh_forwarded_open_of(forwarded);
    struct channel *ch = chan_accept(f->session, f->message);

    session_debug(f->session, "the server's open is confirmed");
    forwarded_open_end(f);
    return &ch->endpoint;
}

void libssh_forwarded_open_refuse(struct forwarded_open *forwarded)
{
    struct libssh_forwarded_open *f = libssh_forwarded_open_of(forwarded);
    struct libssh_session *s = f->session;
    struct libssh_session *before = session_enter(s);

    session_debug(s, "the server's open is refused");
    ssh_message_reply_default(f->message);
    session_leave(before);
    forwarded_open_end(f);
    session_touch(s);
}

/* Endings. */

void forwarded_opens_cut(struct libssh_session *s)
{
    struct libssh_forwarded_open *forwarded;
    struct libssh_listen *l;

    while ((forwarded = TAILQ_FIRST(&s->forwarded.waiting)) != NULL) {
        void (*lost)(void *arg) = forwarded->lost;
        void *arg = forwarded->arg;
        forwarded_open_end(forwarded);
        lost(arg);
    }
    TAILQ_INIT(&s->global_requests.queue);
    while ((l = TAILQ_FIRST(&s->forwarded.listens)) != NULL) {
        void (*lost)(void *arg) = l->abandoned ? NULL : l->events.lost;
        void *arg = l->arg;
        listen_forget(l);
        if (lost != NULL)
            lost(arg);
    }
}

void forwarded_opens_end(struct libssh_session *s)
{
    while (!TAILQ_EMPTY(&s->forwarded.waiting))
        forwarded_open_end(TAILQ_FIRST(&s->forwarded.waiting));
    /* (The requests are the listens' own, and libssh may still hear an answer.) */
    TAILQ_INIT(&s->global_requests.queue);
    while (!TAILQ_EMPTY(&s->forwarded.listens))
        listen_forget(TAILQ_FIRST(&s->forwarded.listens));
}

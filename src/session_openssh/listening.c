/* Remote forwards: the master is asked for one by an OPEN_FWD, on a connection of its own (which
 * the master serves no further until the server has answered), whose target is a unix socket of
 * ours. There it brings what comes to the server.
 *
 * A master that is joined may have the forward already, as another session has asked for it, and
 * says yes as well: it is cancelled by whoever has bound the socket, as soon as nobody needs it
 * (keeper/forward_sockets). One of the session's own is told here, by the connection of the
 * OPEN_FWD. */
#include "session_openssh/parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/acceptor.h"
#include "io/socket_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many connections of a session's remote forwards may wait to be answered. */
#define FORWARDED_MAX 128

/* Of the master's words. */
#define WORDS_MAX 256

enum listen_state {
    LISTEN_BINDING,    /* a socket of ours is waited for */
    LISTEN_CONNECTING, /* a connection to the master's socket is waited for */
    LISTEN_ASKED,
    LISTEN_DOUBTFUL, /* its connection has ended: the master is asked whether it lives */
    LISTEN_UP,
    LISTEN_FAILING, /* the owner is told, in a moment; or it has been */
};

struct master_listen {
    struct session_listen base;
    LIST_ENTRY(master_listen) link;
    struct master_session *session;
    enum listen_state state;
    struct session_listen_events events;
    void *arg;
    char *bind; /* in the master's words */
    bool is_unix;
    uint16_t port;
    char *path; /* of our socket; NULL: there is none yet */
    struct listener *listener;
    struct acceptor *acceptor;
    struct session_reach *binding;
    struct master_reach reach;
    struct master_call *call;
    uint32_t check; /* of LISTEN_DOUBTFUL */
    struct later failing;
    char *why;
};

static void listen_release(struct master_listen *l)
{
    LIST_REMOVE(l, link);
    l->session->options.way->forget(l->binding);
    reach_cancel(&l->reach);
    later_cancel(l->session->loop, &l->failing);
    acceptor_free(l->acceptor);
    listener_close(l->listener);
    call_end(l->call);
    free(l->bind);
    free(l->path);
    free(l->why);
    free(l);
}

static void listen_on_failing(struct later *failing)
{
    struct master_listen *l = container_of(failing, struct master_listen, failing);

    l->events.answered(l->arg, &(struct listen_answer){.why = l->why});
}

/* Takes over the words. */
static void listen_fail_later(struct master_listen *l, char *why)
{
    l->state = LISTEN_FAILING;
    l->why = why;
    later_post(l->session->loop, &l->failing, listen_on_failing);
}

/* What comes in. */

struct master_forwarded {
    struct forwarded_open base;
    LIST_ENTRY(master_forwarded) link;
    struct master_session *session;
    int fd;
    forwarded_open_lost_fn *lost;
    void *arg;
};

static struct master_forwarded *master_forwarded_of(struct forwarded_open *forwarded)
{
    return container_of(forwarded, struct master_forwarded, base);
}

/* Whether no more are taken for now; logged once, until none waits any more. */
static bool too_many_wait(struct master_session *s)
{
    if (s->forwarded_count < FORWARDED_MAX)
        return false;
    if (!s->refusal_logged)
        log_warning("%s: %d connections of remote forwards wait for their targets: further ones "
                    "are closed",
                    s->name, FORWARDED_MAX);
    s->refusal_logged = true;
    return true;
}

/* (Nobody else can enter the directory; root can.) */
static bool is_from_our_user(int fd)
{
    uid_t user;

    return socket_peer_user(fd, &user) && (user == geteuid() || user == 0);
}

/* (An acceptor_accepted.) */
static void listen_accepted(void *arg, const struct accepted *connection)
{
    struct master_listen *l = arg;
    struct master_session *s = l->session;
    struct master_forwarded *f;

    if (!is_from_our_user(connection->fd) || too_many_wait(s)) {
        close(connection->fd);
        return;
    }
    f = mem_zalloc(sizeof(*f));
    *f = (struct master_forwarded){
        .base.operations = s->base.operations, .session = s, .fd = connection->fd};
    LIST_INSERT_HEAD(&s->forwarded, f, link);
    s->forwarded_count++;
    s->heard = loop_now(s->loop);
    l->events.forwarded(l->arg, &f->base, "", 0);
}

void master_forwarded_own(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost, void *arg)
{
    struct master_forwarded *f = master_forwarded_of(forwarded);

    f->lost = lost;
    f->arg = arg;
}

static void forwarded_free(struct master_forwarded *f)
{
    LIST_REMOVE(f, link);
    f->session->forwarded_count--;
    if (f->session->forwarded_count == 0)
        f->session->refusal_logged = false;
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

struct endpoint *master_forwarded_accept(struct forwarded_open *forwarded)
{
    struct master_forwarded *f = master_forwarded_of(forwarded);
    struct endpoint *endpoint = stream_new_forwarded(f->session, f->fd);

    f->fd = -1;
    forwarded_free(f);
    return endpoint;
}

/* (The master has told the server yes already.) */
void master_forwarded_refuse(struct forwarded_open *forwarded)
{
    forwarded_free(master_forwarded_of(forwarded));
}

/* The master's answers. */

static void listen_up(struct master_listen *l, uint16_t port)
{
    l->state = LISTEN_UP;
    if (!l->session->own) {
        call_end(l->call);
        l->call = NULL;
    }
    l->acceptor = acceptor_new(l->session->loop, l->listener, false, listen_accepted, l);
    log_debug("%s: the master listens on '%s' port %u, and connects to %s", l->session->name,
              l->bind, port, l->path);
    l->events.answered(l->arg, &(struct listen_answer){.listens = true, .port = port});
}

static void listen_refused(struct master_listen *l, struct span words)
{
    size_t length = words.length < WORDS_MAX ? words.length : WORDS_MAX;

    listen_fail_later(l, mem_strndup((const char *)words.bytes, length));
}

/* Whether the master has answered as it does where the server listens. */
static bool is_listening(const struct master_listen *l, const struct mux_answer *answer)
{
    if (l->is_unix || l->port != 0)
        return answer->type == MUX_OK;
    return answer->type == MUX_REMOTE_PORT && answer->number > 0 && answer->number <= UINT16_MAX;
}

/* (A call_answered_fn.) */
static void open_fwd_answered(void *arg, const struct mux_answer *answer)
{
    struct master_listen *l = arg;

    if (l->state != LISTEN_ASKED)
        return;
    if (answer == NULL) {
        l->state = LISTEN_DOUBTFUL;
        l->check = master_session_ask(l->session);
        return;
    }
    l->session->heard = loop_now(l->session->loop);
    if (is_listening(l, answer))
        listen_up(l, answer->type == MUX_OK ? l->port : (uint16_t)answer->number);
    else if (answer->type == MUX_FAILURE || answer->type == MUX_PERMISSION_DENIED)
        listen_refused(l, answer->text);
    else
        listen_fail_later(l, mem_strdup("the master's answer is not understood"));
}

void master_listens_alive(struct master_session *session, uint32_t number)
{
    struct master_listen *l;

    LIST_FOREACH (l, &session->listens, link)
        if (l->state == LISTEN_DOUBTFUL && l->check <= number)
            listen_fail_later(l, mem_strdup("the master closed the connection"));
}

/* Asking. */

static void listen_send(struct master_listen *l, enum mux_request_type type)
{
    const struct mux_request request = {
        .type = type,
        .id = type == MUX_OPEN_FWD ? 1 : 2,
        .forward =
            {
                .kind = MUX_FORWARD_REMOTE,
                .listen = {(const uint8_t *)l->bind, strlen(l->bind)},
                .port = l->is_unix ? MUX_PORT_UNIX : l->port,
                .connect = {(const uint8_t *)l->path, strlen(l->path)},
                .connect_port = MUX_PORT_UNIX,
            },
    };

    call_send(l->call, &request, NULL, 0);
}

/* (A master_reached_fn.) */
static void listen_reached(void *arg, struct master_call *call, const char *why, bool closed)
{
    const struct mux_request hello = {.type = MUX_HELLO};
    struct master_listen *l = arg;

    (void)closed;
    l->call = call;
    if (call == NULL) {
        listen_fail_later(l, mem_strdup(why));
        return;
    }
    l->state = LISTEN_ASKED;
    call_send(call, &hello, NULL, 0);
    listen_send(l, MUX_OPEN_FWD);
}

/* (A session_bound_fn.) */
static void listen_bound(void *arg, int fd, const char *path, int error)
{
    struct master_listen *l = arg;

    l->binding = NULL;
    if (fd < 0) {
        listen_fail_later(l,
                          error == EADDRINUSE
                              ? mem_strdup("another remote forward has this place already")
                              : mem_printf("adit has no unix socket for it: %s", strerror(error)));
        return;
    }
    l->path = mem_strdup(path);
    l->listener = listener_adopt(fd, path, 0);
    listener_leave(l->listener); /* (it is the keeper's) */
    l->state = LISTEN_CONNECTING;
    reach_start(&l->reach, l->session, open_fwd_answered, listen_reached, l);
}

struct session_listen *master_listen(struct session *session, const struct listen_place *place,
                                     const struct session_listen_events *events, void *arg)
{
    struct master_session *s = master_session_of(session);
    struct master_listen *l = mem_zalloc(sizeof(*l));

    *l = (struct master_listen){
        .base.operations = session->operations,
        .session = s,
        .events = *events,
        .arg = arg,
        /* (To a master an empty one is what ssh has without any, "localhost".) */
        .bind = mem_strdup(place->bind[0] != '\0' ? place->bind : "*"),
        .is_unix = place->is_unix,
        .port = place->port,
    };
    LIST_INSERT_HEAD(&s->listens, l, link);
    if (place->forward != NULL)
        l->binding = s->options.way->bind(s->options.arg, place->forward, listen_bound, l);
    else
        listen_fail_later(l, mem_strdup("an ssh has remote forwards of the configuration "
                                        "only"));
    return &l->base;
}

/* Ends. */

/* (A master takes what comes by a connection in its order, also before the server has answered.) */
void master_listen_free(struct session_listen *listen)
{
    struct master_listen *l = container_of(listen, struct master_listen, base);

    if (l->session->own && l->call != NULL && (l->state == LISTEN_ASKED || l->state == LISTEN_UP)) {
        listen_send(l, MUX_CLOSE_FWD);
        call_linger(l->call, &l->session->lingering);
        l->call = NULL;
    }
    listen_release(l);
}

static void forwarded_lost(struct master_forwarded *f)
{
    forwarded_open_lost_fn *lost = f->lost;
    void *arg = f->arg;

    forwarded_free(f);
    lost(arg);
}

static void listen_lost(struct master_listen *l)
{
    void (*lost)(void *arg) = l->events.lost;
    void *arg = l->arg;

    listen_release(l);
    lost(arg);
}

void master_listens_end(struct master_session *session, bool lost)
{
    struct master_forwarded *f;
    struct master_listen *l;

    while ((f = LIST_FIRST(&session->forwarded)) != NULL)
        if (lost)
            forwarded_lost(f);
        else
            forwarded_free(f);
    while ((l = LIST_FIRST(&session->listens)) != NULL)
        if (lost)
            listen_lost(l);
        else
            listen_release(l);
}

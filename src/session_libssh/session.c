/* A session from its beginning to its end: what libssh is told to do for it, what is known of it,
 * whether it still answers. What comes in is turn.c's. */
#include "session_libssh/internal.h"

#include "base/mem.h"
#include "session_libssh/breach.h"
#include "session_libssh/logged_in.h"
#include "session_libssh/transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* An open without an answer for so long, and nothing else heard: ask whether the server is busy
 * resolving. */
#define PROBE_MS 250

/* After a sleep of the machine: how long a peer has to show that it is still there. */
#define PROBE_ANSWER_MS 5000

static void read_log(int priority, const char *function, const char *text, void *userdata)
{
    struct libssh_session *s = userdata;
    const char *breach;

    if (s == NULL)
        return;
    breach = open_replies_read_log(&s->open_replies, priority, function, text);
    if (breach == NULL)
        breach = breach_of_log(priority, function, text);
    if (breach != NULL)
        session_breach(s, breach);
    global_requests_read_log(s, function, text);
    if (priority <= SSH_LOG_WARN)
        log_debug("libssh: %s", text);
}

void session_log(struct libssh_session *s)
{
    int requests = global_requests_log_level(&s->global_requests);
    int opens = open_replies_log_level(&s->open_replies);

    ssh_set_log_callback(read_log);
    ssh_set_log_userdata(s);
    ssh_set_log_level(requests > opens ? requests : opens);
}

/* Whose libssh calls this thread makes. */
static _Thread_local struct libssh_session *entered;

static void go_to(struct libssh_session *s)
{
    entered = s;
    transport_enter(s != NULL ? s->handle_fd : -1);
    if (s != NULL)
        session_log(s);
    else
        ssh_set_log_userdata(NULL);
}

struct libssh_session *session_enter(struct libssh_session *s)
{
    struct libssh_session *before = entered;

    go_to(s);
    return before;
}

void session_leave(struct libssh_session *before)
{
    go_to(before);
}

void session_breach(struct libssh_session *s, const char *how)
{
    if (s->death == NULL)
        s->death = how;
    s->breached = true;
    session_touch(s);
}

static void destroyed(uv_handle_t *handle)
{
    struct libssh_session *s = container_of((uv_poll_t *)handle, struct libssh_session, poll);

    free(s->name);
    free(s);
}

void session_destroy(struct libssh_session *s)
{
    struct libssh_session *before;

    assert(TAILQ_EMPTY(&s->open));
    later_cancel(s->loop, &s->process_events);
    deadline_cancel(&s->keepalive);
    before = session_enter(s);
    while (!TAILQ_EMPTY(&s->opening)) /* cancelled ones that were never answered */
        chan_free(TAILQ_FIRST(&s->opening));
    forwarded_opens_end(s);
    later_cancel(s->loop, &s->process_events);
    ssh_set_log_userdata(NULL);
    if (!s->dead)
        session_farewell(s);
    transport_enter(-1); /* the farewell is sent at once, and its number may be another's then */
    ssh_event_remove_session(s->event, s->handle);
    ssh_event_free(s->event);
    handle_end(s->handle, !s->dead);
    session_leave(before);
    uv_close((uv_handle_t *)&s->poll, destroyed);
    close(s->watch_fd);
}

static void libssh_session_free(struct session *session)
{
    struct libssh_session *s = libssh_session_of(session);

    s->freed = true;
    if (!s->driving)
        session_destroy(s);
}

void session_die(struct libssh_session *s)
{
    char why[256];

    snprintf(why, sizeof(why), "%s", s->death != NULL ? s->death : ssh_get_error(s->handle));
    if (why[0] == '\0')
        snprintf(why, sizeof(why), "connection closed by the server");
    s->dead = true;
    uv_poll_stop(&s->poll);
    deadline_cancel(&s->keepalive);
    s->driving = true; /* a free from inside waits */
    s->options.dying(s->options.arg);
    while (!TAILQ_EMPTY(&s->opening))
        chan_cut(TAILQ_FIRST(&s->opening), why);
    while (!TAILQ_EMPTY(&s->open))
        chan_cut(TAILQ_FIRST(&s->open), why);
    forwarded_opens_cut(s);
    s->driving = false;
    if (s->freed)
        session_destroy(s);
    else
        s->options.lost(s->options.arg, why);
}

/* The shortest of them: the way there and back, and little besides. */
void session_note_round_trip(struct libssh_session *s, uint64_t milliseconds)
{
    if (!s->round_trip_known || milliseconds < s->round_trip)
        s->round_trip = milliseconds;
    s->round_trip_known = true;
}

/* Any byte received is life: only silence is asked, and only silence kills. */
static void keepalive_due(struct deadline *deadline)
{
    struct libssh_session *s = container_of(deadline, struct libssh_session, keepalive);

    if (s->bytes.in_bytes != s->heard_bytes) {
        s->heard_bytes = s->bytes.in_bytes;
        s->unanswered = 0;
    } else if (s->unanswered >= s->options.keepalive_max) {
        s->death = "no answer to keepalives";
        session_turn(s, false);
        return;
    } else {
        s->unanswered++;
        global_requests_keepalive(s);
    }
    deadline_arm(s->loop, &s->keepalive, s->options.keepalive_ms, keepalive_due);
}

static void libssh_session_probe(struct session *session)
{
    struct libssh_session *s = libssh_session_of(session);

    if (s->options.keepalive_ms == 0 || s->dead)
        return;
    s->heard_bytes = s->bytes.in_bytes;
    s->unanswered = s->options.keepalive_max;
    global_requests_keepalive(s);
    deadline_arm(s->loop, &s->keepalive, PROBE_ANSWER_MS, keepalive_due);
}

/* How long the server has been silent while an open waits for it, beyond what the way there and
 * back takes. */
static uint64_t silence(const struct libssh_session *s)
{
    const struct channel *oldest = TAILQ_FIRST(&s->opening);
    uint64_t since;

    if (oldest == NULL)
        return 0;
    since = (oldest->asked_at > s->heard_at ? oldest->asked_at : s->heard_at) + 2 * s->round_trip;
    return loop_now(s->loop) > since ? loop_now(s->loop) - since : 0;
}

static bool libssh_session_peer(const struct session *session, struct ip *peer)
{
    const struct libssh_session *s = libssh_session_of(session);
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    uint16_t port;

    return getpeername(s->watch_fd, (struct sockaddr *)&address, &length) == 0 &&
           ip_from_sockaddr((struct sockaddr *)&address, peer, &port);
}

static void libssh_session_tick(struct session *session)
{
    struct libssh_session *s = libssh_session_of(session);

    /* A target that does not answer is no reason to avoid a session; an sshd that answers nobody,
     * because it resolves a name, is. Its reply to a keepalive tells which it is: it handles one
     * packet after another. */
    if (!s->dead && !s->probed && silence(s) >= PROBE_MS) {
        s->probed = true;
        global_requests_keepalive(s);
    }
    global_requests_tick(s);
}

static void libssh_session_state(const struct session *session, struct session_state *state)
{
    const struct libssh_session *s = libssh_session_of(session);

    *state = (struct session_state){
        .bytes_in = s->bytes.in_bytes,
        .bytes_out = s->bytes.out_bytes,
        .carried = s->carried,
        .channels = s->channels,
        .abandoned = s->abandoned,
        .silent_ms = s->dead ? 0 : silence(s),
    };
}

/* Opens. */

static struct session_open *open_to(struct session *session, const struct open_target *target,
                                    session_opened_fn *opened, void *arg)
{
    struct channel *ch = chan_new(libssh_session_of(session), target);

    ch->open.operations = session->operations;
    ch->done = opened;
    ch->arg = arg;
    return &ch->open;
}

static struct session_open *libssh_open_tcp(struct session *session,
                                            const struct tcp_target *target,
                                            session_opened_fn *opened, void *arg)
{
    return open_to(session, &(struct open_target){.tcp = target}, opened, arg);
}

static struct session_open *libssh_open_unix(struct session *session, const char *path,
                                             session_opened_fn *opened, void *arg)
{
    return open_to(session, &(struct open_target){.path = path}, opened, arg);
}

static void libssh_open_cancel(struct session_open *open)
{
    struct channel *ch = container_of(open, struct channel, open);

    ch->done = NULL;
    ch->session->abandoned++;
}

static const struct session_operations libssh_session_operations = {
    .free = libssh_session_free,
    .open_tcp = libssh_open_tcp,
    .open_unix = libssh_open_unix,
    .open_cancel = libssh_open_cancel,
    .listen = libssh_listen,
    .listen_free = libssh_listen_free,
    .forwarded_own = libssh_forwarded_open_own,
    .forwarded_accept = libssh_forwarded_open_accept,
    .forwarded_refuse = libssh_forwarded_open_refuse,
    .peer = libssh_session_peer,
    .probe = libssh_session_probe,
    .state = libssh_session_state,
    .tick = libssh_session_tick,
};

struct session *libssh_session_new(struct loop *loop, struct logged_in *logged_in,
                                   const struct session_options *options)
{
    struct libssh_logged_in *l = libssh_logged_in_of(logged_in);
    struct libssh_session *s = mem_zalloc(sizeof(*s));

    if (uv_poll_init(loop_uv(loop), &s->poll, l->watch_fd) != 0) {
        free(s);
        return NULL;
    }
    s->base.operations = &libssh_session_operations;
    s->loop = loop;
    s->options = *options;
    s->name = mem_strdup(options->name);
    s->options.name = s->name;
    s->handle = l->handle;
    s->handle_fd = ssh_get_fd(s->handle);
    s->watch_fd = l->watch_fd;
    free(l);
    TAILQ_INIT(&s->opening);
    TAILQ_INIT(&s->open);
    TAILQ_INIT(&s->writers);
    TAILQ_INIT(&s->dirty);
    TAILQ_INIT(&s->postponed);
    open_replies_init(&s->open_replies);
    ssh_set_counters(s->handle, &s->bytes, &s->packets);
    forwarded_opens_init(s);
    s->event = ssh_event_new();
    if (s->event == NULL || ssh_event_add_session(s->event, s->handle) != SSH_OK)
        abort(); /* only for lack of memory */
    s->heard_at = loop_now(loop);
    if (options->keepalive_ms > 0)
        deadline_arm(loop, &s->keepalive, options->keepalive_ms, keepalive_due);
    session_touch(s); /* input may have come with the last of the authentication */
    return &s->base;
}

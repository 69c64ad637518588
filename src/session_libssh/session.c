/* A session from its beginning to its end: what libssh is told to do for it, what is known of it,
 * whether it still answers. What comes in is ssh/turn's. */
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
    struct session *s = userdata;
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

void session_log(struct session *s)
{
    int requests = global_requests_log_level(&s->global_requests);
    int opens = open_replies_log_level(&s->open_replies);

    ssh_set_log_callback(read_log);
    ssh_set_log_userdata(s);
    ssh_set_log_level(requests > opens ? requests : opens);
}

/* Whose libssh calls this thread makes. */
static _Thread_local struct session *entered;

static void go_to(struct session *s)
{
    entered = s;
    transport_enter(s != NULL ? s->handle_fd : -1);
    if (s != NULL)
        session_log(s);
    else
        ssh_set_log_userdata(NULL);
}

struct session *session_enter(struct session *s)
{
    struct session *before = entered;

    go_to(s);
    return before;
}

void session_leave(struct session *before)
{
    go_to(before);
}

void session_breach(struct session *s, const char *how)
{
    if (s->death == NULL)
        s->death = how;
    s->breached = true;
    session_touch(s);
}

static void destroyed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct session, poll));
}

void session_destroy(struct session *s)
{
    struct session *before;

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

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    s->freed = true;
    if (!s->driving)
        session_destroy(s);
}

void session_die(struct session *s)
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
void session_note_round_trip(struct session *s, uint64_t milliseconds)
{
    if (!s->round_trip_known || milliseconds < s->round_trip)
        s->round_trip = milliseconds;
    s->round_trip_known = true;
}

/* Any byte received is life: only silence is asked, and only silence kills. */
static void keepalive_due(struct deadline *deadline)
{
    struct session *s = container_of(deadline, struct session, keepalive);

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

void session_probe(struct session *s)
{
    if (s->options.keepalive_ms == 0 || s->dead)
        return;
    s->heard_bytes = s->bytes.in_bytes;
    s->unanswered = s->options.keepalive_max;
    global_requests_keepalive(s);
    deadline_arm(s->loop, &s->keepalive, PROBE_ANSWER_MS, keepalive_due);
}

/* How long the server has been silent while an open waits for it, beyond what the way there and
 * back takes. */
static uint64_t silence(const struct session *s)
{
    const struct channel *oldest = TAILQ_FIRST(&s->opening);
    uint64_t since;

    if (oldest == NULL)
        return 0;
    since = (oldest->asked_at > s->heard_at ? oldest->asked_at : s->heard_at) + 2 * s->round_trip;
    return loop_now(s->loop) > since ? loop_now(s->loop) - since : 0;
}

bool session_peer(const struct session *s, struct ip *peer)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    uint16_t port;

    return getpeername(s->watch_fd, (struct sockaddr *)&address, &length) == 0 &&
           ip_from_sockaddr((struct sockaddr *)&address, peer, &port);
}

void session_tick(struct session *s)
{
    /* A target that does not answer is no reason to avoid a session; an sshd that answers nobody,
     * because it resolves a name, is. Its reply to a keepalive tells which it is: it handles one
     * packet after another. */
    if (!s->dead && !s->probed && silence(s) >= PROBE_MS) {
        s->probed = true;
        global_requests_keepalive(s);
    }
    global_requests_tick(s);
}

void session_state(const struct session *s, struct session_state *state)
{
    *state = (struct session_state){
        .bytes_in = s->bytes.in_bytes,
        .bytes_out = s->bytes.out_bytes,
        .carried = s->carried,
        .channels = s->channels,
        .abandoned = s->abandoned,
        .silent_ms = s->dead ? 0 : silence(s),
    };
}

struct session *session_new(struct loop *loop, struct logged_in *logged_in_session,
                            const struct session_options *options)
{
    struct session *s = mem_zalloc(sizeof(*s));

    if (uv_poll_init(loop_uv(loop), &s->poll, logged_in_session->watch_fd) != 0) {
        free(s);
        return NULL;
    }
    s->loop = loop;
    s->options = *options;
    s->handle = logged_in_session->handle;
    s->handle_fd = ssh_get_fd(s->handle);
    s->watch_fd = logged_in_session->watch_fd;
    free(logged_in_session);
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
    return s;
}

struct session_open *session_open_tcp(struct session *s, const char *host, uint16_t port,
                                      const char *origin, uint16_t origin_port,
                                      void (*done)(void *arg, struct endpoint *channel,
                                                   const struct open_failure *failure),
                                      void *arg)
{
    struct channel *ch =
        chan_new(s, &(struct open_target){
                        .host = host, .port = port, .origin = origin, .origin_port = origin_port});

    ch->done = done;
    ch->arg = arg;
    return (struct session_open *)ch;
}

struct session_open *session_open_unix(struct session *s, const char *path,
                                       void (*done)(void *arg, struct endpoint *channel,
                                                    const struct open_failure *failure),
                                       void *arg)
{
    struct channel *ch = chan_new(s, &(struct open_target){.path = path});

    ch->done = done;
    ch->arg = arg;
    return (struct session_open *)ch;
}

void session_open_cancel(struct session_open *open)
{
    struct channel *ch = (struct channel *)open;

    ch->done = NULL;
    ch->session->abandoned++;
}

/* A session from its beginning to its end: how libssh is set up for it, whose calls of libssh this
 * thread makes, and how the session dies. What happens in between is turn.c's. */
#include "session_libssh/channel.h"

#include "base/mem.h"
#include "io/socket_calls.h"
#include "session_libssh/breach.h"
#include "session_libssh/handshake.h"
#include "session_libssh/logged_in.h"
#include "session_libssh/transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libssh looks for known_hosts files just before each KEXINIT, and from 0.11.4 on it says of each
 * that it is none, one after the other. (It is not to have any.) */
static void log_key_exchange(struct libssh_session *s)
{
    if (s->rekey.logged_at != s->packets.out_packets)
        session_debug(s, "a key exchange begins");
    s->rekey.logged_at = s->packets.out_packets;
}

/* Whether libssh warns of what is in order: a server refuses a keepalive, which is how it answers
 * one. */
static bool is_false_alarm(const char *function, const char *text)
{
    return strcmp(function, "ssh_global_request") == 0 && strstr(text, " keepalive@") != NULL;
}

/* (0.10 says with each key exchange that it forgets the old keys, and of each global request that
 * it does not know, as OpenSSH's hostkeys-00@openssh.com after each login, that it is invalid.) */
static void log_warning_of_libssh(struct libssh_session *s, const char *function, const char *text)
{
    if (is_false_alarm(function, text))
        return;
    if (strcmp(function, "ssh_packet_set_newkeys") == 0)
        session_debug(s, "new keys in one direction");
    else if (strcmp(function, "ssh_packet_global_request") == 0)
        session_debug(
            s, "ignored: a global request of the server that libssh does not know or cannot read");
    else if (strcmp(function, "ssh_strict_fopen") == 0)
        log_key_exchange(s);
    else if (strcmp(function, "ssh_known_hosts_read_entries") != 0)
        session_debug(s, "libssh: %s", text);
}

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
    if (priority <= SSH_LOG_WARN && log_wants(ADIT_LOG_DEBUG))
        log_warning_of_libssh(s, function, text);
}

void session_log(struct libssh_session *s)
{
    int requests = global_requests_log_level(&s->global_requests);
    int opens = open_replies_log_level(&s->open_replies);

    ssh_set_log_callback(read_log);
    ssh_set_log_userdata(s);
    ssh_set_log_level(requests > opens ? requests : opens);
}

/* The session that this thread's libssh calls are about; NULL: none. */
static _Thread_local struct libssh_session *entered;

static void go_to(struct libssh_session *s)
{
    entered = s;
    if (s != NULL) {
        transport_enter(s->socket.fd, s->socket.buffered);
        session_log(s);
    } else {
        transport_leave();
        ssh_set_log_userdata(NULL);
    }
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
    if (s->end.why == NULL)
        s->end.why = how;
    s->end.breached = true;
    session_touch(s);
}

/* libssh has exchanged keys: it has verified the signature, but by whatever host key came with it.
 * (Inside a callback: libssh is only asked.) */
static void on_keys_exchanged(void *arg, float status)
{
    struct libssh_session *s = arg;
    char text[HOST_KEY_TEXT_MAX];

    if (status < 1.0F)
        return;
    if (!host_key_text(s->handle, text))
        session_breach(s, "the host key of a key exchange cannot be read");
    else if (strcmp(text, s->host_key.text) != 0)
        session_breach(s, "the server came with another host key at a key exchange");
}

static void watch_host_key(struct libssh_session *s, const char *text)
{
    s->host_key.text = mem_strdup(text);
    s->host_key.callbacks =
        (struct ssh_callbacks_struct){.size = sizeof(s->host_key.callbacks),
                                      .userdata = s,
                                      .connect_status_function = on_keys_exchanged};
    ssh_set_callbacks(s->handle, &s->host_key.callbacks);
}

static void destroyed(uv_handle_t *handle)
{
    struct libssh_session *s =
        container_of((uv_poll_t *)handle, struct libssh_session, socket.poll);

    free(s->host_key.text);
    free(s->name);
    free(s);
}

void session_destroy(struct libssh_session *s)
{
    struct libssh_session *before;

    assert(TAILQ_EMPTY(&s->channels.open) && "channels are closed before their session is freed");
    later_cancel(s->loop, &s->turn.later);
    /* (libssh may still read, and find that the server breaks the protocol: no turn comes of it.)
     */
    s->turn.driving = true;
    session_liveness_end(s);
    before = session_enter(s);
    while (!TAILQ_EMPTY(&s->channels.opening)) /* cancelled ones that were never answered */
        chan_free(TAILQ_FIRST(&s->channels.opening));
    forwarded_opens_end(s);
    ssh_set_log_userdata(NULL);
    if (!s->end.dead)
        session_farewell(s);
    transport_leave(); /* the farewell is sent at once, and its number may be another's then */
    ssh_event_remove_session(s->event, s->handle);
    ssh_event_free(s->event);
    handle_end(s->handle, !s->end.dead);
    session_leave(before);
    uv_close((uv_handle_t *)&s->socket.poll, destroyed);
    close(s->socket.watch_fd);
}

static void libssh_session_free(struct session *session)
{
    struct libssh_session *s = libssh_session_of(session);

    if (!s->end.dead)
        session_debug(s, "ended by adit with %u channels", s->channels.count);
    s->end.freed = true;
    if (!s->turn.driving)
        session_destroy(s);
}

void session_die(struct libssh_session *s)
{
    char why[256];

    snprintf(why, sizeof(why), "%s", s->end.why != NULL ? s->end.why : ssh_get_error(s->handle));
    if (why[0] == '\0')
        snprintf(why, sizeof(why), "connection closed by the server");
    session_debug(s, "lost: %s (%u channels, last packet from the server %llu ms ago)", why,
                  s->channels.count, (unsigned long long)(loop_now(s->loop) - s->silence.heard_at));
    s->end.dead = true;
    uv_poll_stop(&s->socket.poll);
    session_liveness_end(s);
    s->turn.driving = true; /* a free from inside waits */
    s->options.dying(s->options.arg);
    while (!TAILQ_EMPTY(&s->channels.opening))
        chan_cut(TAILQ_FIRST(&s->channels.opening), why);
    while (!TAILQ_EMPTY(&s->channels.open))
        chan_cut(TAILQ_FIRST(&s->channels.open), why);
    forwarded_opens_cut(s);
    s->turn.driving = false;
    if (s->end.freed)
        session_destroy(s);
    else
        s->options.lost(s->options.arg, why);
}

static bool libssh_session_peer(const struct session *session, struct ip *peer)
{
    return socket_peer_address(libssh_session_of(session)->socket.watch_fd, peer);
}

static void libssh_session_state(const struct session *session, struct session_state *state)
{
    const struct libssh_session *s = libssh_session_of(session);
    const struct channel *oldest = TAILQ_FIRST(&s->channels.opening);

    *state = (struct session_state){
        .bytes_in = s->bytes.in_bytes,
        .bytes_out = s->bytes.out_bytes,
        .carried = s->channels.carried,
        .channels = s->channels.count,
        .abandoned = s->channels.abandoned,
        .silent_ms = s->end.dead ? 0 : session_silent_ms(s),
        .round_trip_known = true, /* (since the login) */
        .round_trip_ms = s->round_trip.ms,
        .keepalive_answers = s->keepalive.answers,
        .keepalive_ms = s->keepalive.answer_ms,
        .oldest = oldest != NULL ? &oldest->open.base : NULL,
    };
}

static void libssh_session_cut(struct session *session, const char *why)
{
    session_breach(libssh_session_of(session), why);
}

static const struct session_operations libssh_session_operations = {
    .free = libssh_session_free,
    .open_tcp = libssh_open_tcp,
    .open_unix = libssh_open_unix,
    .open_shell = libssh_open_shell,
    .shell_resize = libssh_shell_resize,
    .open_cancel = libssh_open_cancel,
    .listen = libssh_listen,
    .listen_free = libssh_listen_free,
    .forwarded_own = libssh_forwarded_open_own,
    .forwarded_accept = libssh_forwarded_open_accept,
    .forwarded_refuse = libssh_forwarded_open_refuse,
    .peer = libssh_session_peer,
    .probe = libssh_session_probe,
    .check = libssh_session_check,
    .ping = libssh_session_ping,
    .state = libssh_session_state,
    .tick = libssh_session_tick,
    .cut = libssh_session_cut,
};

struct session *libssh_session_new(struct loop *loop, struct logged_in *logged_in,
                                   const struct session_options *options)
{
    struct libssh_logged_in *l = libssh_logged_in_of(logged_in);
    struct libssh_session *s = mem_zalloc(sizeof(*s));

    if (uv_poll_init(loop_uv(loop), &s->socket.poll, l->watch_fd) != 0) {
        free(s);
        return NULL;
    }
    s->base.operations = &libssh_session_operations;
    s->loop = loop;
    s->options = *options;
    s->name = mem_strdup(options->name);
    s->options.name = s->name;
    s->handle = l->handle;
    s->socket.fd = ssh_get_fd(s->handle);
    s->socket.watch_fd = l->watch_fd;
    s->socket.buffered = l->buffered;
    s->round_trip.ms = logged_in->info.answer_ms;
    watch_host_key(s, logged_in->info.host_key);
    free(l);
    TAILQ_INIT(&s->channels.opening);
    TAILQ_INIT(&s->channels.open);
    TAILQ_INIT(&s->channels.starting);
    TAILQ_INIT(&s->queues.writers);
    TAILQ_INIT(&s->queues.dirty);
    TAILQ_INIT(&s->queues.postponed);
    open_replies_init(&s->open_replies);
    ssh_set_counters(s->handle, &s->bytes, &s->packets);
    forwarded_opens_init(s);
    s->event = ssh_event_new();
    if (s->event == NULL || ssh_event_add_session(s->event, s->handle) != SSH_OK)
        abort(); /* only for lack of memory */
    session_liveness_init(s);
    session_debug(s, "driven, %s", s->socket.buffered ? "buffered" : "unbuffered");
    session_touch(s); /* input may have come with the last of the authentication */
    return &s->base;
}

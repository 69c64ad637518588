/* A session: the connection of a master that a person, or the keeper, has started. */
#include "session_openssh/engine.h"
#include "session_openssh/parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/socket_calls.h"

#include <stdlib.h>
#include <unistd.h>

/* The master's end. */

/* (The connection `alive` stays until the session is freed, and tells no more.) */
static void master_ended(struct later *death)
{
    struct master_session *s = container_of(death, struct master_session, death);
    const char *why = s->cut_why != NULL ? s->cut_why
                      : s->own           ? "its ssh has ended"
                                         : "the master that it joined has ended";
    struct master_stream *st;

    later_cancel(s->loop, &s->closing);
    s->options.dying(s->options.arg);
    master_opens_end(s, why);
    master_listens_end(s, true);
    while ((st = LIST_FIRST(&s->streams)) != NULL)
        stream_cut(st, why);
    s->options.lost(s->options.arg, why);
}

/* (A call_answered_fn.) */
static void alive_answered(void *arg, const struct mux_answer *answer)
{
    struct master_session *s = arg;
    struct master_stream *st;

    if (answer == NULL) {
        later_post(s->loop, &s->death, master_ended);
        return;
    }
    LIST_FOREACH (st, &s->streams, link)
        if (st->eof_seen && !st->eof_sure && st->check <= answer->id)
            stream_eof_is_sure(st);
    master_opens_alive(s, answer->id);
    master_listens_alive(s, answer->id);
}

uint32_t master_session_ask(struct master_session *s)
{
    const struct mux_request request = {.type = MUX_ALIVE_CHECK, .id = ++s->asked};

    call_send(s->alive, &request, NULL, 0);
    return s->asked;
}

static void tell_no_listener(struct later *closing)
{
    struct master_session *s = container_of(closing, struct master_session, closing);

    log_warning("%s: nobody listens at %s any more: no new connections there", s->name, s->path);
    s->options.dying(s->options.arg);
}

void master_session_close(struct master_session *s)
{
    if (!s->closed_to_opens)
        later_post(s->loop, &s->closing, tell_no_listener);
    s->closed_to_opens = true;
}

/* What is known of it. */

/* (ssh has the connection.) */
static bool master_peer(const struct session *session, struct ip *peer)
{
    (void)session;
    (void)peer;
    return false;
}

/* (The master asks the server itself, as its ServerAliveInterval says.) */
static void master_probe(struct session *session)
{
    master_session_ask(master_session_of(session));
}

static void master_check(struct session *session)
{
    (void)session;
}

static void master_state(const struct session *session, struct session_state *state)
{
    const struct master_session *s = master_session_of(session);
    const struct master_stream *st;

    *state = (struct session_state){
        .bytes_in = s->bytes_in,
        .bytes_out = s->bytes_out,
        .carried = s->bytes_in + s->bytes_out,
    };
    LIST_FOREACH (st, &s->streams, link)
        state->channels++;
    state->channels += s->forwarded_count;
    master_opens_state(s, state);
}

/* Its start and its end. */

static void master_session_free(struct session *session)
{
    struct master_session *s = master_session_of(session);

    master_opens_end(s, NULL);
    master_listens_end(s, false);
    calls_end(&s->lingering);
    if (s->own)
        call_send(s->alive, &(struct mux_request){.type = MUX_TERMINATE}, NULL, 0);
    call_end(s->alive);
    later_cancel(s->loop, &s->death);
    later_cancel(s->loop, &s->closing);
    free(s->name);
    free(s->path);
    free(s);
}

static void master_cut(struct session *session, const char *why)
{
    struct master_session *s = master_session_of(session);

    s->cut_why = why;
    later_post(s->loop, &s->death, master_ended);
}

static const struct session_operations operations = {
    .free = master_session_free,
    .open_tcp = master_open_tcp,
    .open_unix = master_open_unix,
    .open_shell = master_open_shell,
    .open_cancel = master_open_cancel,
    .listen = master_listen,
    .listen_free = master_listen_free,
    .forwarded_own = master_forwarded_own,
    .forwarded_accept = master_forwarded_accept,
    .forwarded_refuse = master_forwarded_refuse,
    .peer = master_peer,
    .probe = master_probe,
    .check = master_check,
    .state = master_state,
    .tick = master_check,
    .cut = master_cut,
};

struct session *master_session_new(struct loop *loop, struct logged_in *logged_in,
                                   const struct session_options *options)
{
    struct master_logged_in *l = master_logged_in_of(logged_in);
    struct master_session *s = mem_zalloc(sizeof(*s));

    s->listener = socket_peer_process(l->fd);
    s->alive = call_new(loop, l->fd, alive_answered, s);
    if (s->alive == NULL) {
        free(s);
        return NULL;
    }
    s->base.operations = &operations;
    s->loop = loop;
    s->options = *options;
    s->name = mem_strdup(options->name);
    s->path = mem_strdup(l->path);
    s->own = l->own;
    l->fd = -1;
    logged_in_free(logged_in);
    return &s->base;
}

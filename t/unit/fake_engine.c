/* Dials, sessions, opens, listens and forwarded opens over memory; channels are fake_channel.c's.
 */
#include "fake_engine_parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake_world fake;

void fake_operation_begin(const char *name)
{
    if (fake.data_events > 0)
        fail_msg("%s from inside a data event", name);
    fake.operations++;
}

void fake_operation_end(void)
{
    fake.operations--;
}

/* The script raises events only from outside of any operation. */
void fake_event_begin(void)
{
    assert_int_equal(fake.operations, 0);
    assert_int_equal(fake.data_events, 0);
}

/* ---- what has ended: each operation fails the test */

#define GONE(what) fail_msg("%s that has ended is used", what)

static void gone_session_free(struct session *session)
{
    (void)session;
    GONE("a session");
}

static struct session_open *gone_open_tcp(struct session *session, const struct tcp_target *target,
                                          session_opened_fn *opened, void *arg)
{
    (void)session, (void)target, (void)opened, (void)arg;
    GONE("a session");
    return NULL;
}

static struct session_open *gone_open_unix(struct session *session, const char *path,
                                           session_opened_fn *opened, void *arg)
{
    (void)session, (void)path, (void)opened, (void)arg;
    GONE("a session");
    return NULL;
}

static void gone_cancel(struct session_open *open)
{
    (void)open;
    GONE("an open");
}

static void gone_listen_free(struct session_listen *listen)
{
    (void)listen;
    GONE("a listen");
}

static void gone_own(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost, void *arg)
{
    (void)forwarded, (void)lost, (void)arg;
    GONE("a forwarded open");
}

static struct endpoint *gone_accept(struct forwarded_open *forwarded)
{
    (void)forwarded;
    GONE("a forwarded open");
    return NULL;
}

static void gone_refuse(struct forwarded_open *forwarded)
{
    (void)forwarded;
    GONE("a forwarded open");
}

static const struct session_operations gone_operations = {
    .free = gone_session_free,
    .open_tcp = gone_open_tcp,
    .open_unix = gone_open_unix,
    .open_cancel = gone_cancel,
    .listen_free = gone_listen_free,
    .forwarded_own = gone_own,
    .forwarded_accept = gone_accept,
    .forwarded_refuse = gone_refuse,
};

/* ---- opens */

static struct fake_session *session_of(const struct session *session)
{
    return container_of(session, struct fake_session, base);
}

static void open_end(struct fake_open *open, enum fake_state state)
{
    later_cancel(open->session->loop, &open->answering);
    open->state = state;
    open->base.operations = &gone_operations;
}

struct fake_channel *fake_open_confirm(struct fake_open *open)
{
    fake_event_begin();
    assert_int_equal(open->state, FAKE_WAITING);
    open_end(open, FAKE_UP);
    if (open->cancelled) /* (the channel is the engine's own, which closes it at once) */
        return NULL;
    open->channel = fake_channel_new(open->session);
    open->opened(open->arg, &open->channel->endpoint, NULL);
    return open->channel;
}

static void open_fail(struct fake_open *open, enum fake_state state,
                      const struct open_failure *failure)
{
    fake_event_begin();
    assert_int_equal(open->state, FAKE_WAITING);
    open_end(open, state);
    if (!open->cancelled)
        open->opened(open->arg, NULL, failure);
}

void fake_open_refuse(struct fake_open *open, uint32_t reason, const char *text)
{
    open_fail(open, FAKE_REFUSED, &(struct open_failure){.reason = reason, .text = text});
}

static void open_answer(struct later *later)
{
    struct fake_open *open = container_of(later, struct fake_open, answering);

    if (open->answer == FAKE_YES)
        fake_open_confirm(open);
    else
        fake_open_refuse(open, open->reason, open->text);
}

static struct fake_open *open_new(struct session *session, session_opened_fn *opened, void *arg)
{
    struct fake_session *s = session_of(session);
    struct fake_open *open = mem_zalloc(sizeof(*open));

    if (s->dying)
        fail_msg("a session that dies is asked for a channel");
    open->base.operations = session->operations;
    open->session = s;
    open->opened = opened;
    open->arg = arg;
    open->answer = fake.script.opens;
    open->reason = fake.script.reason;
    open->text = fake.script.text;
    TAILQ_INSERT_TAIL(&s->opens, open, link);
    if (open->answer != FAKE_NEVER)
        later_post(s->loop, &open->answering, open_answer);
    return open;
}

static struct session_open *fake_open_tcp(struct session *session, const struct tcp_target *target,
                                          session_opened_fn *opened, void *arg)
{
    struct fake_open *open;

    fake_operation_begin("open_tcp");
    open = open_new(session, opened, arg);
    snprintf(open->host, sizeof(open->host), "%s", target->host);
    snprintf(open->origin, sizeof(open->origin), "%s", target->origin);
    open->port = target->port;
    open->origin_port = target->origin_port;
    fake_operation_end();
    return &open->base;
}

static struct session_open *fake_open_unix(struct session *session, const char *path,
                                           session_opened_fn *opened, void *arg)
{
    struct fake_open *open;

    fake_operation_begin("open_unix");
    open = open_new(session, opened, arg);
    snprintf(open->host, sizeof(open->host), "%s", path);
    open->is_unix = true;
    fake_operation_end();
    return &open->base;
}

static void fake_open_cancel(struct session_open *base)
{
    struct fake_open *open = container_of(base, struct fake_open, base);

    fake_operation_begin("open_cancel");
    open->cancelled = true;
    open->base.operations = &gone_operations;
    fake_operation_end();
}

/* ---- listens */

static void listen_end(struct fake_listen *listen, enum fake_state state)
{
    later_cancel(listen->session->loop, &listen->answering);
    listen->state = state;
    listen->base.operations = &gone_operations;
}

void fake_listen_answer(struct fake_listen *listen, bool yes)
{
    fake_event_begin();
    assert_int_equal(listen->state, FAKE_WAITING);
    later_cancel(listen->session->loop, &listen->answering);
    listen->state = yes ? FAKE_UP : FAKE_REFUSED;
    if (listen->port == 0)
        listen->port = ++fake.next_port;
    listen->events.answered(
        listen->arg, &(struct listen_answer){.listens = yes, .port = yes ? listen->port : 0});
    if (!yes && listen->state != FAKE_RELEASED)
        fail_msg("a refused listen was not freed");
}

static void listen_answer(struct later *later)
{
    struct fake_listen *listen = container_of(later, struct fake_listen, answering);

    fake_listen_answer(listen, listen->answer == FAKE_YES);
}

static struct session_listen *fake_listen_new(struct session *session,
                                              const struct listen_place *place,
                                              const struct session_listen_events *events, void *arg)
{
    struct fake_session *s = session_of(session);
    struct fake_listen *listen = mem_zalloc(sizeof(*listen));

    fake_operation_begin("listen");
    if (s->dying)
        fail_msg("a session that dies is asked to listen");
    listen->base.operations = session->operations;
    listen->session = s;
    snprintf(listen->bind, sizeof(listen->bind), "%s", place->bind);
    listen->port = place->port;
    listen->events = *events;
    listen->arg = arg;
    listen->answer = fake.script.listens;
    TAILQ_INSERT_TAIL(&s->listens, listen, link);
    if (listen->answer != FAKE_NEVER)
        later_post(s->loop, &listen->answering, listen_answer);
    fake_operation_end();
    return &listen->base;
}

static void fake_listen_free(struct session_listen *base)
{
    struct fake_listen *listen = container_of(base, struct fake_listen, base);

    fake_operation_begin("listen_free");
    listen_end(listen, FAKE_RELEASED);
    fake_operation_end();
}

/* ---- forwarded opens */

struct fake_forwarded *fake_connects(struct fake_listen *listen, const char *origin, uint16_t port)
{
    struct fake_forwarded *f = mem_zalloc(sizeof(*f));

    fake_event_begin();
    assert_int_equal(listen->state, FAKE_UP);
    f->base.operations = listen->base.operations;
    f->session = listen->session;
    TAILQ_INSERT_TAIL(&f->session->forwarded, f, link);
    listen->events.forwarded(listen->arg, &f->base, origin, port);
    if (f->state == FAKE_WAITING && f->lost == NULL)
        fail_msg("a forwarded open is neither answered nor owned");
    return f;
}

static struct fake_forwarded *forwarded_of(struct forwarded_open *forwarded)
{
    return container_of(forwarded, struct fake_forwarded, base);
}

static void forwarded_end(struct fake_forwarded *f, enum fake_state state)
{
    f->state = state;
    f->base.operations = &gone_operations;
}

static void fake_forwarded_own(struct forwarded_open *forwarded, forwarded_open_lost_fn *lost,
                               void *arg)
{
    forwarded_of(forwarded)->lost = lost;
    forwarded_of(forwarded)->arg = arg;
}

static struct endpoint *fake_forwarded_accept(struct forwarded_open *forwarded)
{
    struct fake_forwarded *f = forwarded_of(forwarded);

    fake_operation_begin("forwarded_open_accept");
    forwarded_end(f, FAKE_UP);
    f->channel = fake_channel_new(f->session);
    fake_operation_end();
    return &f->channel->endpoint;
}

static void fake_forwarded_refuse(struct forwarded_open *forwarded)
{
    fake_operation_begin("forwarded_open_refuse");
    forwarded_end(forwarded_of(forwarded), FAKE_REFUSED);
    fake_operation_end();
}

/* ---- sessions */

static bool fake_peer(const struct session *session, struct ip *peer)
{
    (void)session;
    return ip_parse("192.0.2.9", peer);
}

static void fake_probe(struct session *session)
{
    session_of(session)->probes++;
}

static void fake_check(struct session *session)
{
    session_of(session)->checks++;
}

static void fake_tick(struct session *session)
{
    session_of(session)->ticks++;
}

static void fake_session_state(const struct session *session, struct session_state *state)
{
    const struct fake_session *s = session_of(session);
    const struct fake_channel *channel;
    const struct fake_open *open;
    const struct fake_forwarded *f;

    *state = s->added;
    TAILQ_FOREACH (channel, &s->channels, link)
        state->channels += channel->state == FAKE_UP;
    TAILQ_FOREACH (f, &s->forwarded, link)
        state->channels += f->state == FAKE_WAITING;
    TAILQ_FOREACH (open, &s->opens, link) {
        state->channels += open->state == FAKE_WAITING;
        if (open->state == FAKE_WAITING && state->oldest == NULL)
            state->oldest = &open->base;
        state->abandoned += open->state == FAKE_WAITING && open->cancelled;
    }
}

/* What the callers must have given back before the session is freed, unless it was lost. */
static void assert_nothing_left(const struct fake_session *s)
{
    const struct fake_channel *channel;
    const struct fake_open *open;
    const struct fake_listen *listen;
    const struct fake_forwarded *f;

    TAILQ_FOREACH (channel, &s->channels, link)
        if (channel->state == FAKE_UP)
            fail_msg("%s is freed before a channel was closed", s->name);
    TAILQ_FOREACH (open, &s->opens, link)
        if (open->state == FAKE_WAITING && !open->cancelled)
            fail_msg("%s is freed before an open was cancelled", s->name);
    TAILQ_FOREACH (listen, &s->listens, link)
        if (listen->state == FAKE_WAITING || listen->state == FAKE_UP)
            fail_msg("%s is freed before a listen was", s->name);
    TAILQ_FOREACH (f, &s->forwarded, link)
        if (f->state == FAKE_WAITING)
            fail_msg("%s is freed before a forwarded open was answered", s->name);
}

static void fake_session_free(struct session *session)
{
    struct fake_session *s = session_of(session);
    struct fake_open *open;

    fake_operation_begin("session_free");
    s->freed = true;
    later_cancel(s->loop, &s->cutting);
    s->base.operations = &gone_operations;
    if (!s->dead)
        assert_nothing_left(s);
    TAILQ_FOREACH (open, &s->opens, link)
        if (open->state == FAKE_WAITING && !s->dead)
            open_end(open, FAKE_RELEASED);
    fake_operation_end();
}

static void cut_all(struct fake_session *s, const char *why)
{
    const struct open_failure lost = {.lost = true, .text = why};
    struct fake_open *open;
    struct fake_channel *channel;
    struct fake_forwarded *f;
    struct fake_listen *listen;

    TAILQ_FOREACH (open, &s->opens, link)
        if (open->state == FAKE_WAITING)
            open_fail(open, FAKE_LOST, &lost);
    TAILQ_FOREACH (channel, &s->channels, link)
        if (channel->state == FAKE_UP)
            fake_channel_fail(channel, why);
    TAILQ_FOREACH (f, &s->forwarded, link)
        if (f->state == FAKE_WAITING) {
            forwarded_end(f, FAKE_LOST);
            f->lost(f->arg);
        }
    TAILQ_FOREACH (listen, &s->listens, link)
        if (listen->state == FAKE_WAITING || listen->state == FAKE_UP) {
            listen_end(listen, FAKE_LOST);
            listen->events.lost(listen->arg);
        }
}

void fake_session_die(struct fake_session *s, const char *why)
{
    fake_event_begin();
    assert_false(s->dead || s->freed);
    s->dead = s->dying = true;
    s->options.dying(s->options.arg);
    cut_all(s, why);
    if (!s->freed)
        s->options.lost(s->options.arg, why);
}

static void fake_cut_now(struct later *later)
{
    struct fake_session *s = container_of(later, struct fake_session, cutting);

    fake_session_die(s, s->cut_why);
}

static void fake_cut(struct session *session, const char *why)
{
    struct fake_session *s = session_of(session);

    if (s->cut_why == NULL)
        later_post(s->loop, &s->cutting, fake_cut_now);
    s->cut_why = why;
}

static const struct session_operations fake_session_operations = {
    .free = fake_session_free,
    .open_tcp = fake_open_tcp,
    .open_unix = fake_open_unix,
    .open_cancel = fake_open_cancel,
    .listen = fake_listen_new,
    .listen_free = fake_listen_free,
    .forwarded_own = fake_forwarded_own,
    .forwarded_accept = fake_forwarded_accept,
    .forwarded_refuse = fake_forwarded_refuse,
    .peer = fake_peer,
    .probe = fake_probe,
    .check = fake_check,
    .state = fake_session_state,
    .tick = fake_tick,
    .cut = fake_cut,
};

struct session *fake_session_new(struct loop *loop, struct logged_in *logged_in,
                                 const struct session_options *options)
{
    struct fake_session *s;

    if (fake.script.no_descriptors)
        return NULL;
    s = mem_zalloc(sizeof(*s));
    s->base.operations = &fake_session_operations;
    s->loop = loop;
    s->options = *options;
    s->name = mem_strdup(options->name);
    TAILQ_INIT(&s->opens);
    TAILQ_INIT(&s->channels);
    TAILQ_INIT(&s->listens);
    TAILQ_INIT(&s->forwarded);
    TAILQ_INSERT_TAIL(&fake.sessions, s, link);
    fake.logged_in--;
    free(logged_in);
    return &s->base;
}

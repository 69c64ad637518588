/* Dials of the fake engine, its sessions on their way to a thread, and what is checked at the end
 * of a test. */
#include "fake_engine_parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct fake_dial *dial_of(const struct dial *dial)
{
    return container_of(dial, struct fake_dial, base);
}

static void fake_find(const struct config_upstream *upstream, char name[static HOST_MAX + 1],
                      uint16_t *port)
{
    (void)upstream, (void)name, (void)port;
    fail_msg("a name is looked up in ssh_config");
}

static void dial_gone(struct fake_dial *dial)
{
    TAILQ_REMOVE(&fake.dials, dial, link);
    fake.dials_running--;
    close(dial->request.fd);
    config_unref(dial->request.config);
    free(dial);
}

static struct logged_in *logged_in_new(bool asks_anew)
{
    struct logged_in *logged_in = mem_zalloc(sizeof(*logged_in));

    logged_in->engine = &fake_engine;
    logged_in->info = (struct connection_info){.user = "fake", .asks_anew = asks_anew};
    fake.logged_in++;
    return logged_in;
}

struct logged_in *fake_logged_in(void)
{
    return logged_in_new(false);
}

static void fake_logged_in_free(struct logged_in *logged_in)
{
    assert_true(fake.logged_in > 0);
    fake.logged_in--;
    free(logged_in);
}

static void dial_ended(struct message *message, void *owner)
{
    struct fake_dial *dial = container_of(message, struct fake_dial, message);
    const struct dial_request request = dial->request;
    enum dial_status status = dial->status;
    bool cancelled = dial->cancelled;
    struct logged_in *logged_in = NULL;

    (void)owner;
    if (status == DIAL_OK && !cancelled)
        logged_in = logged_in_new(dial->asks_anew);
    dial_gone(dial);
    if (!cancelled)
        request.done(request.arg, status, logged_in, logged_in == NULL ? "as scripted" : NULL);
    if (fake.dials_running == 0 && fake.idle != NULL) {
        void (*idle)(void *arg) = fake.idle;
        fake.idle = NULL;
        idle(fake.idle_arg);
    }
}

static void dial_dropped(struct message *message)
{
    dial_gone(container_of(message, struct fake_dial, message));
}

void fake_dial_end(struct fake_dial *dial, enum dial_status status)
{
    assert_false(dial->ended);
    dial->ended = true;
    dial->status = status;
    mailbox_post(dial->request.reply, &dial->message);
}

void fake_dial_answer(struct fake_dial *dial, enum dial_status status)
{
    assert_true(dial->asking);
    dial->asking = false;
    fake_dial_end(dial, status);
}

static struct dial *fake_start(const struct dial_request *request)
{
    struct fake_dial *dial = mem_zalloc(sizeof(*dial));

    dial->base.engine = &fake_engine;
    dial->message = (struct message){.run = dial_ended, .drop = dial_dropped};
    dial->request = *request;
    snprintf(dial->host, sizeof(dial->host), "%s", request->host);
    dial->request.host = dial->host;
    dial->request.alias = NULL;
    config_ref(request->config);
    dial->asks_anew = fake.script.asks_anew;
    dial->asking = fake.script.dials_ask;
    dial->prompts = dial->asking;
    TAILQ_INSERT_TAIL(&fake.dials, dial, link);
    fake.dials_started++;
    fake.dials_running++;
    if (fake.dials_running > fake.most_running)
        fake.most_running = fake.dials_running;
    if (fake.script.dials != FAKE_NEVER)
        fake_dial_end(dial, fake.script.dials == FAKE_YES ? DIAL_OK : fake.script.dial_status);
    return &dial->base;
}

static bool fake_is_asking(const struct dial *dial)
{
    return dial_of(dial)->asking;
}

static unsigned fake_prompts(const struct dial *dial)
{
    return dial_of(dial)->prompts;
}

/* A person who is being asked is not interrupted. */
static void fake_shutdown(struct dial *dial)
{
    struct fake_dial *d = dial_of(dial);

    d->shut = true;
    if (!d->ended && !d->asking)
        fake_dial_end(d, DIAL_TRANSPORT);
}

static void fake_cancel(struct dial *dial)
{
    struct fake_dial *d = dial_of(dial);

    if (d->cancelled)
        fail_msg("a dial is cancelled twice");
    d->cancelled = true;
    if (!d->ended)
        fake_dial_end(d, DIAL_TRANSPORT);
}

static unsigned fake_running(void)
{
    return fake.dials_running;
}

static void fake_when_idle(void (*idle)(void *arg), void *arg)
{
    assert_true(fake.dials_running > 0);
    fake.idle = idle;
    fake.idle_arg = arg;
}

const struct login_engine fake_engine = {
    .find = fake_find,
    .start = fake_start,
    .is_asking = fake_is_asking,
    .prompts = fake_prompts,
    .shutdown = fake_shutdown,
    .cancel = fake_cancel,
    .running = fake_running,
    .when_idle = fake_when_idle,
    .logged_in_free = fake_logged_in_free,
    .session_new = fake_session_new,
};

/* ---- for the test */

#define NTH(list, field, n, condition)                                                             \
    TAILQ_FOREACH (nth, list, field)                                                               \
        if ((condition) && (n)-- == 0)                                                             \
            return nth;                                                                            \
    return NULL

struct fake_dial *fake_dial_at(unsigned n)
{
    struct fake_dial *nth;

    NTH(&fake.dials, link, n, !nth->ended);
}

struct fake_session *fake_session_at(unsigned n)
{
    struct fake_session *nth;

    NTH(&fake.sessions, link, n, !nth->freed && !nth->dead);
}

struct fake_open *fake_open_at(struct fake_session *session, unsigned n)
{
    struct fake_open *nth;

    NTH(&session->opens, link, n, nth->state == FAKE_WAITING);
}

struct fake_listen *fake_listen_at(struct fake_session *session, unsigned n)
{
    struct fake_listen *nth;

    NTH(&session->listens, link, n, nth->state == FAKE_WAITING || nth->state == FAKE_UP);
}

struct fake_channel *fake_channel_at(struct fake_session *session, unsigned n)
{
    struct fake_channel *nth;

    NTH(&session->channels, link, n, nth->state == FAKE_UP);
}

void fake_engine_reset(void)
{
    fake = (struct fake_world){.next_port = 40000};
    TAILQ_INIT(&fake.dials);
    TAILQ_INIT(&fake.sessions);
}

static void assert_given_back(const struct fake_session *s)
{
    const struct fake_channel *channel;
    const struct fake_open *open;
    const struct fake_listen *listen;
    const struct fake_forwarded *f;

    if (!s->freed)
        fail_msg("%s was not freed", s->name);
    TAILQ_FOREACH (channel, &s->channels, link)
        if (channel->state != FAKE_RELEASED && channel->state != FAKE_ABORTED)
            fail_msg("a channel of %s was not closed", s->name);
    TAILQ_FOREACH (open, &s->opens, link)
        assert_int_not_equal(open->state, FAKE_WAITING);
    TAILQ_FOREACH (listen, &s->listens, link)
        assert_true(listen->state == FAKE_RELEASED || listen->state == FAKE_LOST);
    TAILQ_FOREACH (f, &s->forwarded, link)
        assert_int_not_equal(f->state, FAKE_WAITING);
}

#define FREE_ALL(list)                                                                             \
    while (!TAILQ_EMPTY(list)) {                                                                   \
        void *first = TAILQ_FIRST(list);                                                           \
        TAILQ_REMOVE(list, TAILQ_FIRST(list), link);                                               \
        free(first);                                                                               \
    }

static void session_forget(struct fake_session *s)
{
    struct fake_channel *channel;

    TAILQ_FOREACH (channel, &s->channels, link) {
        buffer_clear(&channel->in);
        buffer_clear(&channel->got);
    }
    FREE_ALL(&s->channels)
    FREE_ALL(&s->opens)
    FREE_ALL(&s->listens)
    FREE_ALL(&s->forwarded)
    free(s->name);
}

void fake_engine_check(void)
{
    struct fake_session *s;

    assert_int_equal(fake.logged_in, 0);
    assert_int_equal(fake.dials_running, 0);
    assert_null(fake.idle);
    TAILQ_FOREACH (s, &fake.sessions, link)
        assert_given_back(s);
    TAILQ_FOREACH (s, &fake.sessions, link)
        session_forget(s);
    FREE_ALL(&fake.sessions)
}

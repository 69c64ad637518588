/* Opening a channel: a connection to the master, whose request is a NEW_STDIO_FWD. It is answered
 * once the server has opened the channel, or has refused it. */
#include "session_openssh/parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/socket_calls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long the keeper may take to say why an open was refused. */
#define CAUSE_MS 2000

/* What a master says whatever the reason is (mux_stdio_confirm of ssh's mux.c). */
#define REFUSED_BY_SERVER "Session open refused by peer"

/* RFC 4254 section 5.1. */
#define SSH_OPEN_ADMINISTRATIVELY_PROHIBITED 1
#define SSH_OPEN_CONNECT_FAILED 2
#define SSH_OPEN_RESOURCE_SHORTAGE 4

/* Of so many cancelled opens the connection to the master is kept until the server has answered, so
 * that they are counted (open_race.h has a limit for them that is not higher). That of the oldest
 * beyond is closed: the master then ends the channel by itself when the answer comes. */
#define CANCELLED_MAX 64

enum open_state {
    OPEN_CONNECTING, /* a connection to the master's socket is waited for */
    OPEN_ASKED,
    OPEN_DOUBTFUL, /* its connection has ended: the master is asked whether it lives */
    OPEN_REFUSED,  /* the keeper is asked why */
    OPEN_FAILING,  /* the caller is told, in a moment */
};

struct master_open {
    struct session_open base;
    LIST_ENTRY(master_open) link;
    struct master_session *session;
    enum open_state state;
    bool cancelled;
    session_opened_fn *opened;
    void *arg;
    uint32_t number; /* of the session's opens, for the log */
    char *host;
    uint32_t port;
    uint64_t asked;
    int in[2]; /* pairs: ours, the master's; -1: given away, or closed */
    int out[2];
    struct master_call *call;
    uint32_t check;              /* of OPEN_DOUBTFUL */
    struct master_reach reach;   /* of OPEN_CONNECTING */
    struct session_reach *cause; /* of OPEN_REFUSED */
    struct deadline patience;    /* with the keeper */
    struct later failing;
    struct open_failure failure;
};

static struct master_open *master_open_of(struct session_open *open)
{
    return container_of(open, struct master_open, base);
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void open_free(struct master_open *o)
{
    LIST_REMOVE(o, link);
    o->session->cancelled_opens -= o->cancelled;
    reach_cancel(&o->reach);
    later_cancel(o->session->loop, &o->failing);
    o->session->options.way->forget(o->cause);
    deadline_cancel(&o->patience);
    call_end(o->call);
    for (int i = 0; i < 2; i++) {
        close_end(&o->in[i]);
        close_end(&o->out[i]);
    }
    free(o->host);
    free(o);
}

/* Tells the caller, unless it has cancelled, and ends. */
static void open_fail(struct master_open *o, const struct open_failure *failure)
{
    session_opened_fn *opened = o->cancelled ? NULL : o->opened;
    void *arg = o->arg;

    if (failure->lost)
        log_debug("%s: channel %u: cut: %s", o->session->name, o->number, failure->text);
    else
        log_debug("%s: channel %u: refused: reason %u: %s", o->session->name, o->number,
                  failure->reason, failure->text);
    open_free(o);
    if (opened != NULL)
        opened(arg, NULL, failure);
}

static void open_on_failing(struct later *failing)
{
    struct master_open *o = container_of(failing, struct master_open, failing);
    const struct open_failure failure = o->failure;

    open_fail(o, &failure);
}

/* (The text is static.) */
static void open_fail_later(struct master_open *o, uint32_t reason, const char *text)
{
    o->state = OPEN_FAILING;
    o->failure = (struct open_failure){.lost = reason == 0, .reason = reason, .text = text};
    later_post(o->session->loop, &o->failing, open_on_failing);
}

static void open_refused(struct master_open *o, uint32_t reason, struct span words)
{
    char *text = mem_strndup((const char *)words.bytes, words.length);

    open_fail(o, &(struct open_failure){.reason = reason, .text = text});
    free(text);
}

static void open_fail_unexplained(struct master_open *o)
{
    open_fail(o,
              &(struct open_failure){.reason = SSH_OPEN_CONNECT_FAILED, .text = REFUSED_BY_SERVER});
}

/* (A session_caused_fn.) */
static void open_explained(void *arg, uint32_t reason, const char *words)
{
    struct master_open *o = arg;

    o->cause = NULL;
    if (reason == 0) {
        open_fail_unexplained(o);
        return;
    }
    open_fail(o, &(struct open_failure){.reason = reason, .text = words});
}

static void open_on_patience(struct deadline *patience)
{
    open_fail_unexplained(container_of(patience, struct master_open, patience));
}

/* The reason is among what the master has printed, which is the keeper's, unless a person started
 * the master. */
static void open_was_refused(struct master_open *o, struct span words)
{
    struct master_session *s = o->session;

    if (!s->own || o->cancelled || words.length != strlen(REFUSED_BY_SERVER) ||
        memcmp(words.bytes, REFUSED_BY_SERVER, words.length) != 0) {
        open_refused(o, SSH_OPEN_CONNECT_FAILED, words);
        return;
    }
    o->state = OPEN_REFUSED;
    call_end(o->call);
    o->call = NULL;
    o->cause = s->options.way->cause(s->options.arg, &(struct refused_target){o->host, o->port},
                                     open_explained, o);
    deadline_arm(s->loop, &o->patience, CAUSE_MS, open_on_patience);
}

static void open_succeeded(struct master_open *o)
{
    struct endpoint *channel = NULL;
    session_opened_fn *opened = o->opened;
    void *arg = o->arg;

    if (!o->cancelled)
        channel = stream_new(o->session, o->in[0], o->out[0], o->call);
    if (channel == NULL) {
        open_fail(o, &(struct open_failure){.reason = SSH_OPEN_RESOURCE_SHORTAGE,
                                            .text = "no descriptors are left"});
        return; /* (a caller that has cancelled is not told) */
    }
    log_debug("%s: channel %u: confirmed after %llu ms", o->session->name, o->number,
              (unsigned long long)(loop_now(o->session->loop) - o->asked));
    o->in[0] = o->out[0] = -1;
    o->call = NULL;
    open_free(o);
    opened(arg, channel, NULL);
}

/* (A call_answered_fn.) */
static void open_answered(void *arg, const struct mux_answer *answer)
{
    struct master_open *o = arg;

    if (answer == NULL) {
        o->state = OPEN_DOUBTFUL;
        o->check = master_session_ask(o->session);
        return;
    }
    o->session->heard = loop_now(o->session->loop);
    if (answer->type == MUX_SESSION_OPENED)
        open_succeeded(o);
    else if (answer->type == MUX_PERMISSION_DENIED)
        open_refused(o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, answer->text);
    else if (answer->type == MUX_FAILURE)
        open_was_refused(o, answer->text);
    else
        open_fail(o, &(struct open_failure){.reason = SSH_OPEN_CONNECT_FAILED,
                                            .text = "the master's answer is not understood"});
}

static void open_ask(struct master_open *o)
{
    const int fds[] = {o->out[1], o->in[1]}; /* its standard input, and output */
    const struct mux_request hello = {.type = MUX_HELLO};
    const struct mux_request request = {
        .type = MUX_NEW_STDIO_FWD,
        .id = 1,
        .place = {.host = {(const uint8_t *)o->host, strlen(o->host)}, .port = o->port},
    };

    o->state = OPEN_ASKED;
    call_send(o->call, &hello, NULL, 0);
    call_send(o->call, &request, fds, 2);
    close_end(&o->in[1]);
    close_end(&o->out[1]);
}

/* (A master_reached_fn.) */
static void open_reached(void *arg, struct master_call *call, const char *why, bool closed)
{
    struct master_open *o = arg;

    o->call = call;
    if (call != NULL)
        open_ask(o);
    else
        open_fail_later(o, closed ? 0 : SSH_OPEN_RESOURCE_SHORTAGE, why);
}

static void open_connect(struct master_open *o)
{
    o->state = OPEN_CONNECTING;
    reach_start(&o->reach, o->session, open_answered, open_reached, o);
}

static struct master_open *open_add(struct session *session, const char *host, uint32_t port,
                                    session_opened_fn *opened, void *arg)
{
    struct master_session *s = master_session_of(session);
    struct master_open *o = mem_zalloc(sizeof(*o));

    *o = (struct master_open){
        .base.operations = session->operations,
        .session = s,
        .opened = opened,
        .arg = arg,
        .number = s->open_count++,
        .host = mem_strdup(host),
        .port = port,
        .asked = loop_now(s->loop),
        .in = {-1, -1},
        .out = {-1, -1},
    };
    LIST_INSERT_HEAD(&s->opens, o, link);
    if (port == MUX_PORT_UNIX)
        log_debug("%s: channel %u: open of '%s' asked", s->name, o->number, host);
    else
        log_debug("%s: channel %u: open of %s port %u asked", s->name, o->number, host, port);
    return o;
}

static struct session_open *open_new(struct session *session, const char *host, uint32_t port,
                                     session_opened_fn *opened, void *arg)
{
    struct master_open *o = open_add(session, host, port, opened, arg);

    if (socket_pair(false, o->in) && socket_pair(false, o->out))
        open_connect(o);
    else
        open_fail_later(o, SSH_OPEN_RESOURCE_SHORTAGE, "no descriptors are left");
    return &o->base;
}

struct session_open *master_open_tcp(struct session *session, const struct tcp_target *target,
                                     session_opened_fn *opened, void *arg)
{
    return open_new(session, target->host, target->port, opened, arg);
}

struct session_open *master_open_unix(struct session *session, const char *path,
                                      session_opened_fn *opened, void *arg)
{
    return open_new(session, path, MUX_PORT_UNIX, opened, arg);
}

/* (A shell would be the master's, with its terminal and its environment.) */
struct session_open *master_open_shell(struct session *session, const struct shell_target *target,
                                       session_opened_fn *opened, void *arg)
{
    struct master_open *o = open_add(session, "", 0, opened, arg);

    (void)target;
    open_fail_later(o, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED,
                    "a joined master serves ssh itself, at its own socket");
    return &o->base;
}

static struct master_open *oldest_cancelled(const struct master_session *session)
{
    struct master_open *o;
    struct master_open *oldest = NULL;

    LIST_FOREACH (o, &session->opens, link)
        if (o->cancelled)
            oldest = o; /* (new ones come first) */
    return oldest;
}

/* (The master reads nothing from a connection whose request it has not answered (mux_pause of ssh's
 * mux.c), so that it does not see the end of the connection before. When the server answers it
 * closes all that it has for it, whatever the answer is: seen with OpenSSH 9.2 and 10.0.) */
void master_open_cancel(struct session_open *open)
{
    struct master_open *o = master_open_of(open);
    struct master_session *s = o->session;

    o->cancelled = true;
    s->cancelled_opens++;
    if (o->state == OPEN_CONNECTING || o->state == OPEN_REFUSED || o->state == OPEN_FAILING) {
        open_free(o);
        return;
    }
    close_end(&o->in[0]);
    close_end(&o->out[0]);
    if (s->cancelled_opens > CANCELLED_MAX)
        open_free(oldest_cancelled(s));
}

static struct master_open *doubtful(const struct master_session *session, uint32_t number)
{
    struct master_open *o;

    LIST_FOREACH (o, &session->opens, link)
        if (o->state == OPEN_DOUBTFUL && o->check <= number)
            return o;
    return NULL;
}

void master_opens_alive(struct master_session *session, uint32_t number)
{
    const struct open_failure failure = {.reason = SSH_OPEN_CONNECT_FAILED,
                                         .text = "the master closed the connection"};
    struct master_open *o;

    while ((o = doubtful(session, number)) != NULL)
        open_fail(o, &failure);
}

void master_opens_end(struct master_session *session, const char *why)
{
    const struct open_failure failure = {.lost = true, .text = why};
    struct master_open *o;

    while ((o = LIST_FIRST(&session->opens)) != NULL)
        if (why == NULL)
            open_free(o);
        else if (o->state == OPEN_REFUSED)
            open_fail_unexplained(o);
        else
            open_fail(o, &failure);
}

void master_opens_state(const struct master_session *session, struct session_state *state)
{
    const struct master_open *o;
    const struct master_open *oldest = NULL;
    uint64_t now = loop_now(session->loop);
    uint64_t since;

    LIST_FOREACH (o, &session->opens, link) {
        state->channels++;
        state->abandoned += o->cancelled;
        if (o->state != OPEN_REFUSED) /* (the server has answered) */
            oldest = o;               /* (new ones come first) */
    }
    if (oldest == NULL)
        return;
    since = oldest->asked > session->heard ? oldest->asked : session->heard;
    state->oldest = &oldest->base;
    state->silent_ms = now > since ? now - since : 0;
}

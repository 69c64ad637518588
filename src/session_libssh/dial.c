/* A dial: one thread, one libssh session in blocking mode, one message with what became of it. */
#include "session_libssh/engine.h"

#include "base/mem.h"
#include "io/socket_calls.h"
#include "session/dial_count.h"
#include "session_libssh/breach.h"
#include "session_libssh/expectations.h"
#include "session_libssh/handshake.h"
#include "session_libssh/libssh_session.h"
#include "session_libssh/logged_in.h"
#include "session_libssh/server_words.h"
#include "session_libssh/transport.h"

#include <assert.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct libssh_dial {
    struct dial base;
    struct message message; /* goes back once, when the thread is done */
    uv_thread_t thread;
    bool started;                /* there is one */
    struct dial_request request; /* its fd is the thread's */
    char host[HOST_MAX + 1];     /* the request's */
    char alias[HOST_MAX + 1];
    int watch_fd; /* our own duplicate of the fd, for cancelling and for polling the session later;
                     goes with `logged_in` */
    bool cancelled;
    /* Written by the dial's thread, read by any. */
    atomic_bool asking;
    atomic_uint prompts;
    /* What the thread found; read after it was joined. */
    enum dial_status status;
    struct logged_in *logged_in;
    struct connection_info seen;
    char error[sizeof(((struct handshake *)0)->error)];
};

static struct dial_count dials;

static struct libssh_dial *libssh_dial_of(const struct dial *dial)
{
    return container_of(dial, struct libssh_dial, base);
}

static unsigned libssh_dial_running(void)
{
    return dials.running;
}

static void libssh_dial_when_idle(void (*idle)(void *arg), void *arg)
{
    dial_count_wait(&dials, idle, arg);
}

static void forward_log(int priority, const char *function, const char *text, void *userdata)
{
    struct handshake *h = userdata;

    handshake_heard(h, function, text);
    if (priority <= SSH_LOG_PROTOCOL && log_wants(ADIT_LOG_DEBUG))
        log_debug("upstream %s: login at %s: libssh: %s", h->upstream->name, h->host, text);
}

static struct logged_in *logged_in_made(const struct handshake *h, int watch_fd, bool buffered)
{
    if (!buffered)
        expectation_failed(EXPECT_CALLS);
    if (!breach_texts_are_known())
        expectation_failed(EXPECT_BREACHES);
    return libssh_logged_in_new(h->handle, watch_fd, buffered, &h->info);
}

static struct handshake handshake_of(struct libssh_dial *d)
{
    const struct config_upstream *upstream = d->request.upstream;

    return (struct handshake){
        .upstream = upstream,
        .host = d->host,
        .port = d->request.port,
        .alias = d->alias,
        .requests = {.line = {.end = d->request.line,
                              .waiting = &d->asking,
                              .prompts = &d->prompts},
                     .connection = d->watch_fd,
                     .may_ask = d->request.may_ask},
    };
}

/* Libssh is about to wait for the server, which may want to say why: that a person is to open a
 * page, for one. */
static void show_banner(void *arg)
{
    server_words_show(arg);
}

static void keep_proof(void *arg, const void *bytes, size_t length)
{
    struct handshake *h = arg;

    host_proof_hear(&h->proof, bytes, length);
}

/* Logs in; sets status, logged_in and error. */
static void log_in(struct libssh_dial *d, struct handshake *h)
{
    bool buffered;

    if (d->watch_fd < 0) {
        close(d->request.fd);
        d->status = handshake_fail(
            h, DIAL_TRANSPORT, "no descriptors are left: raise the limit (ulimit -n, LimitNOFILE)");
        return;
    }
    transport_watch(d->request.fd, &(struct transport_watcher){show_banner, keep_proof, h});
    d->status = handshake(h, d->request.fd);
    buffered = transport_is_called();
    if (d->status == DIAL_OK)
        d->logged_in = logged_in_made(h, d->watch_fd, buffered);
    else
        handle_end(h->handle, true);
}

static void dial_thread(void *arg)
{
    struct libssh_dial *d = arg;
    struct handshake h = handshake_of(d);

    /* (These are of this thread only.) */
    ssh_set_log_callback(forward_log);
    ssh_set_log_userdata(&h);
    ssh_set_log_level(SSH_LOG_PACKET); /* for handshake_heard */
    log_in(d, &h);
    memcpy(d->error, h.error, sizeof(d->error));
    d->seen = h.info;
    ssh_string_free_char(h.banner);
    login_requests_clear(&h.requests);
    host_proof_clear(&h.proof);
    mailbox_post(d->request.reply, &d->message);
}

static void dial_free(struct libssh_dial *d)
{
    if (d->logged_in != NULL)
        logged_in_free(d->logged_in);
    else if (d->status != DIAL_OK)
        close(d->watch_fd);
    config_unref(d->request.config);
    free(d);
}

static void joined(struct libssh_dial *d)
{
    if (d->started)
        uv_thread_join(&d->thread);
    dials.running--;
}

static void dial_ended(struct message *message, void *owner)
{
    struct libssh_dial *d = container_of(message, struct libssh_dial, message);
    struct logged_in *logged_in;

    (void)owner;
    joined(d);
    logged_in = d->logged_in;
    d->logged_in = NULL;
    if (!d->cancelled && d->request.seen != NULL)
        *d->request.seen = d->seen;
    if (d->cancelled)
        logged_in_free(logged_in);
    else
        d->request.done(d->request.arg, d->status, logged_in, d->error);
    dial_free(d);
    dial_count_tell(&dials);
}

static void dial_dropped(struct message *message)
{
    struct libssh_dial *d = container_of(message, struct libssh_dial, message);

    joined(d);
    dial_free(d);
}

static struct dial *libssh_dial_start(const struct dial_request *request)
{
    struct libssh_dial *d = mem_zalloc(sizeof(*d));
    int fd = request->fd;
    int flags = fcntl(fd, F_GETFL);

    *d = (struct libssh_dial){.base.engine = &libssh_engine,
                              .message = {.run = dial_ended, .drop = dial_dropped},
                              .request = *request,
                              .watch_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    snprintf(d->host, sizeof(d->host), "%s", request->host);
    snprintf(d->alias, sizeof(d->alias), "%s",
             request->alias != NULL ? request->alias : request->host);
    d->request.host = d->host;
    d->request.alias = d->alias;
    config_ref(d->request.config);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    socket_prepare_ssh(fd);
    dials.running++;
    d->started = uv_thread_create(&d->thread, dial_thread, d) == 0;
    if (!d->started) {
        close(fd);
        if (request->line >= 0)
            close(request->line);
        d->status = DIAL_TRANSPORT;
        snprintf(d->error, sizeof(d->error), "no thread to dial with");
        mailbox_post(request->reply, &d->message);
    }
    return &d->base;
}

static bool libssh_dial_is_asking(const struct dial *dial)
{
    return atomic_load(&libssh_dial_of(dial)->asking);
}

static unsigned libssh_dial_prompts(const struct dial *dial)
{
    return atomic_load(&libssh_dial_of(dial)->prompts);
}

static void libssh_dial_shutdown(struct dial *dial)
{
    socket_shutdown(libssh_dial_of(dial)->watch_fd);
}

static void libssh_dial_cancel(struct dial *dial)
{
    struct libssh_dial *d = libssh_dial_of(dial);

    assert(!d->cancelled && "a dial is cancelled once");
    d->cancelled = true;
    libssh_dial_shutdown(dial);
}

static const char *library_version(void)
{
    return ssh_version(0);
}

const struct login_engine libssh_engine = {
    .version = library_version,
    .check = algorithms_check,
    .has_post_quantum = algorithms_are_post_quantum,
    .find = libssh_config_find,
    .start = libssh_dial_start,
    .is_asking = libssh_dial_is_asking,
    .prompts = libssh_dial_prompts,
    .shutdown = libssh_dial_shutdown,
    .cancel = libssh_dial_cancel,
    .running = libssh_dial_running,
    .when_idle = libssh_dial_when_idle,
    .logged_in_free = libssh_logged_in_free,
    .session_new = libssh_session_new,
};

/* A dial: to find a master behind a connection to its socket, on a thread of its own. */
#include "session_openssh/engine.h"
#include "session_openssh/parts.h"

#include "base/mem.h"
#include "conf/master_socket.h"
#include "io/socket_calls.h"
#include "io/mux_call.h"
#include "session/dial_count.h"
#include "session/post_quantum.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct master_dial {
    struct dial base;
    struct message message; /* goes back once, when the thread is done */
    uv_thread_t thread;
    bool started;
    struct dial_request request;
    int ends[2]; /* a pair that is shut down when the dial is to end; the thread has the second */
    char *about; /* a copy of the request's */
    bool cancelled;
    /* What the thread found. */
    struct logged_in *logged_in;
    char error[512];
};

static struct dial_count dials;

static struct master_dial *master_dial_of(const struct dial *dial)
{
    return container_of(dial, struct master_dial, base);
}

static void master_logged_in_free(struct logged_in *logged_in)
{
    struct master_logged_in *l = master_logged_in_of(logged_in);

    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    free(l);
}

/* The thread. */

/* Says HELLO and asks whether it lives: 0, or an errno. */
static int ask_master(int fd, pid_t *master, const struct wait_limit *limit)
{
    const struct mux_request hello = {.type = MUX_HELLO};
    const struct mux_request alive = {.type = MUX_ALIVE_CHECK, .id = 0};
    struct mux_call call = {.fd = fd};
    struct mux_answer answer = {0};
    int error = mux_call_send(&call, &hello, limit);

    if (error == 0)
        error = mux_call_send(&call, &alive, limit);
    while (error == 0 && answer.type != MUX_ALIVE) {
        error = mux_call_answer(&call, &answer, limit);
        if (error == 0 && answer.type != MUX_HELLO && answer.type != MUX_ALIVE)
            error = EPROTO;
    }
    if (error == 0 && mux_call_has_more(&call))
        error = EPROTO;
    *master = (pid_t)answer.number;
    mux_call_clear(&call);
    return error;
}

static const char *words_of(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return "there is no master: log in with `ssh -M -N -f -S` that path, or ControlMaster in "
               "ssh_config";
    case EPROTO: return "what listens there is no master of OpenSSH";
    case ENODATA:
    case EPIPE:
    case ECONNRESET: return "the master closed the connection";
    case ETIMEDOUT: return "the master does not answer";
    case ECONNABORTED: return "given up";
    default: return strerror(error);
    }
}

/* Whoever may listen at that path sees what goes through it. */
static bool has_our_user(int fd)
{
    uid_t user;

    return socket_peer_user(fd, &user) && (user == 0 || user == geteuid());
}

static struct logged_in *found(const struct master_dial *d, const char *path, pid_t master)
{
    const struct config_upstream *upstream = d->request.upstream;
    struct master_logged_in *l = mem_zalloc(sizeof(*l));

    l->base.engine = &openssh_engine;
    l->path = mem_strdup(path);
    l->fd = d->request.fd;
    l->own = d->request.master != 0;
    snprintf(l->base.info.user, sizeof(l->base.info.user), "%s",
             upstream->user != NULL ? upstream->user : "");
    if (l->own)
        master_about(&l->base.info, d->about, d->request.master, master);
    else
        snprintf(l->base.info.login, sizeof(l->base.info.login), "joined master %s (process %d)",
                 path, (int)master);
    return &l->base;
}

static void join(struct master_dial *d)
{
    const struct config_upstream *upstream = d->request.upstream;
    const struct wait_limit limit = wait_limit(d->ends[1], (int)upstream->connect_timeout_ms);
    char *path = d->request.master == 0 ? config_join_master(upstream) : mem_strdup("ssh");
    const char *what = d->request.master == 0 ? "join_master: " : "";
    int fd = d->request.fd;
    int error = fd < 0 ? d->request.unreached : 0;
    pid_t master = 0;

    if (error == 0 && !has_our_user(fd))
        snprintf(d->error, sizeof(d->error), "%s%s is another user's", what, path);
    else if (error != 0 || (error = ask_master(fd, &master, &limit)) != 0)
        snprintf(d->error, sizeof(d->error), "%s%s: %s", what, path, words_of(error));
    else
        d->logged_in = found(d, path, master);
    if (d->logged_in != NULL)
        d->request.fd = -1;
    if (d->logged_in != NULL && upstream->post_quantum == POST_QUANTUM_REQUIRE &&
        !kex_is_post_quantum(d->logged_in->info.kex)) {
        snprintf(d->error, sizeof(d->error),
                 "the key exchange '%s' does not withstand a quantum computer, as post_quantum = "
                 "require asks for",
                 d->logged_in->info.kex);
        logged_in_free(d->logged_in);
        d->logged_in = NULL;
    }
    free(path);
}

static void join_thread(void *arg)
{
    struct master_dial *d = arg;

    join(d);
    mailbox_post(d->request.reply, &d->message);
}

/* The main thread. */

static void join_free(struct master_dial *d)
{
    logged_in_free(d->logged_in);
    for (int i = 0; i < 2; i++)
        if (d->ends[i] >= 0)
            close(d->ends[i]);
    if (d->request.fd >= 0)
        close(d->request.fd);
    config_unref(d->request.config);
    free(d->about);
    free(d);
}

static void thread_ended(struct master_dial *d)
{
    if (d->started)
        uv_thread_join(&d->thread);
    dials.running--;
}

static void join_ended(struct message *message, void *owner)
{
    struct master_dial *d = container_of(message, struct master_dial, message);
    struct logged_in *logged_in = d->logged_in;

    (void)owner;
    thread_ended(d);
    d->logged_in = NULL;
    if (d->cancelled)
        logged_in_free(logged_in);
    else
        d->request.done(d->request.arg, logged_in != NULL ? DIAL_OK : DIAL_TRANSPORT, logged_in,
                        d->error);
    join_free(d);
    dial_count_tell(&dials);
}

static void join_dropped(struct message *message)
{
    struct master_dial *d = container_of(message, struct master_dial, message);

    thread_ended(d);
    join_free(d);
}

static struct dial *master_dial_start(const struct dial_request *request)
{
    struct master_dial *d = mem_zalloc(sizeof(*d));

    *d = (struct master_dial){.base.engine = &openssh_engine,
                              .message = {.run = join_ended, .drop = join_dropped},
                              .request = *request,
                              .ends = {-1, -1}};
    config_ref(d->request.config);
    d->about = mem_strndup((const char *)request->about.bytes, request->about.length);
    dials.running++;
    d->started = socket_pair(true, d->ends) && uv_thread_create(&d->thread, join_thread, d) == 0;
    if (!d->started) {
        snprintf(d->error, sizeof(d->error), "no thread to dial with");
        mailbox_post(request->reply, &d->message);
    }
    return &d->base;
}

/* (Nobody is asked: the master is logged in.) */
static bool master_dial_is_asking(const struct dial *dial)
{
    (void)dial;
    return false;
}

static unsigned master_dial_prompts(const struct dial *dial)
{
    (void)dial;
    return 0;
}

static void master_dial_shutdown(struct dial *dial)
{
    if (master_dial_of(dial)->started)
        socket_shutdown(master_dial_of(dial)->ends[0]);
}

static void master_dial_cancel(struct dial *dial)
{
    master_dial_of(dial)->cancelled = true;
    master_dial_shutdown(dial);
}

static unsigned master_dial_running(void)
{
    return dials.running;
}

static void master_dial_when_idle(void (*idle)(void *arg), void *arg)
{
    dial_count_wait(&dials, idle, arg);
}

static const char *protocol_version(void)
{
    return "multiplexing protocol 4";
}

static bool has_post_quantum(void)
{
    return true;
}

/* (conf/check has said what is wrong.) */
static char *check_nothing(const struct config_upstream *upstream)
{
    (void)upstream;
    return NULL;
}

static void find_nothing(const struct config_upstream *upstream, char name[static HOST_MAX + 1],
                         uint16_t *port)
{
    (void)upstream;
    (void)name;
    (void)port;
}

const struct login_engine openssh_engine = {
    .version = protocol_version,
    .has_post_quantum = has_post_quantum,
    .check = check_nothing,
    .find = find_nothing,
    .start = master_dial_start,
    .is_asking = master_dial_is_asking,
    .prompts = master_dial_prompts,
    .shutdown = master_dial_shutdown,
    .cancel = master_dial_cancel,
    .running = master_dial_running,
    .when_idle = master_dial_when_idle,
    .logged_in_free = master_logged_in_free,
    .session_new = master_session_new,
};

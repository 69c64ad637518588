/* The login lines of all gateways: a thread each. */
#include "keeper/keeper_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "io/login_line.h"
#include "io/socket_calls.h"
#include "keeper/login.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A login that waits for a file is left behind after this long. */
#define LINES_END_MS 1500

struct keeper_line {
    LIST_ENTRY(keeper_line) link; /* the main thread's */
    struct message message;       /* from the thread, when it has ended */
    struct keeper *keeper;
    struct gateway_child *child; /* NULL: it has ended */
    struct config *config;       /* a reference, the main thread's */
    struct quota *quota;         /* of which this is one */
    int end;
    pthread_t thread;
    struct login login;
};

/* How many threads have not posted their end. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
} running = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void running_add(int by)
{
    pthread_mutex_lock(&running.lock);
    running.count += (unsigned)by;
    pthread_cond_broadcast(&running.changed);
    pthread_mutex_unlock(&running.lock);
}

static void *line_thread(void *arg)
{
    struct keeper_line *line = arg;

    login_serve(&line->login);
    login_clear(&line->login);
    socket_shutdown(line->end); /* (the gateway sees the end at once) */
    mailbox_post(line->keeper->mailbox, &line->message);
    running_add(-1);
    return NULL;
}

static void line_discard(struct keeper_line *line)
{
    pthread_join(line->thread, NULL);
    LIST_REMOVE(line, link);
    quota_give(line->quota);
    quota_unref(line->login.agents);
    close(line->end);
    config_unref(line->config);
    free(line);
}

static void line_ended(struct message *message, void *owner)
{
    struct keeper_line *line = container_of(message, struct keeper_line, message);
    struct keeper *k = owner;
    bool is_old = line->config != k->config;

    line_discard(line);
    if (is_old)
        kept_keys_review(k);
}

static void line_dropped(struct message *message)
{
    line_discard(container_of(message, struct keeper_line, message));
}

/* (Signals are the main thread's.) */
static bool start_thread(struct keeper_line *line)
{
    sigset_t all, before;
    int error;

    running_add(1);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    error = pthread_create(&line->thread, NULL, line_thread, line);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return true;
    running_add(-1);
    log_warning("upstream %s: there is no thread for a login: %s", line->login.upstream->name,
                strerror(error));
    return false;
}

/* (One of the child's quota of logins has been taken for it.) */
static void line_start(struct gateway_child *child, const struct child_place *place, int *end)
{
    struct keeper *k = child->keeper;
    struct keeper_line *line = mem_zalloc(sizeof(*line));

    line->message = (struct message){.run = line_ended, .drop = line_dropped};
    line->keeper = k;
    line->child = child;
    line->config = config_ref(place->config);
    line->end = *end;
    line->quota = child->quotas.logins;
    line->login.keys = k->keys;
    line->login.agents = quota_ref(child->quotas.agents);
    login_begin(&line->login, place->upstream, &place->host, k->options->may_ask, line->end);
    if (!start_thread(line)) {
        login_clear(&line->login);
        quota_give(line->quota);
        quota_unref(line->login.agents);
        config_unref(line->config);
        free(line);
        return;
    }
    *end = -1;
    LIST_INSERT_HEAD(&k->lines, line, link);
}

/* (An upstream that is not there has gone with a change: its login fails.) */
void login_lines_add(struct gateway_child *child, struct keeper_message *message, int *end)
{
    char *name = login_text(keeper_message_text(message));
    char *entry = login_text(keeper_message_text(message));
    struct child_place place;

    if (*end < 0)
        log_warning(
            "no descriptors are left for a login: raise the limit (ulimit -n, LimitNOFILE)");
    else if (!child_find_place(child, name, entry, &place))
        log_info("upstream %s, host %s: a login that the configuration does not have any more",
                 name, entry);
    else if (!quota_take(child->quotas.logins))
        log_warning("the gateway (process %d) has more than %d logins under way: one is refused",
                    (int)child->pid, CHILD_LOGINS_MAX);
    else
        line_start(child, &place, end);
    free(entry);
    free(name);
}

void login_lines_cut(const struct gateway_child *child)
{
    struct keeper_line *line;

    LIST_FOREACH (line, &child->keeper->lines, link)
        if (line->child == child) {
            line->child = NULL;
            socket_shutdown(line->end);
        }
}

void login_lines_each_config(const struct keeper *k, login_line_config_fn *each, void *arg)
{
    const struct keeper_line *line;

    LIST_FOREACH (line, &k->lines, link)
        each(arg, line->config);
}

bool login_lines_end(struct keeper *k)
{
    struct keeper_line *line;
    struct timespec until;
    int error = 0;

    LIST_FOREACH (line, &k->lines, link)
        socket_shutdown(line->end);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LINES_END_MS / 1000;
    until.tv_nsec += LINES_END_MS % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&running.lock);
    while (running.count > 0 && error == 0)
        error = pthread_cond_timedwait(&running.changed, &running.lock, &until);
    error = running.count > 0 ? ETIMEDOUT : 0;
    pthread_mutex_unlock(&running.lock);
    return error == 0;
}

void login_lines_free(struct keeper *k)
{
    if (login_lines_end(k))
        return;
    log_warning("a file that a login needs is still being read: exiting without it");
    log_flush();
    _exit(k->status);
}

/* The main thread: what is configured, who listens, and how it all ends. */
#include "gateway/gateway.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "gateway/forwards.h"
#include "gateway/gateway_parts.h"
#include "gateway/snapshot.h"
#include "io/notify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1000

/* A tick that comes so much too late, or a clock that counted so much sleep: the machine slept or
 * we did. */
#define SLEPT_MS 5000

/* A worker that stands still does not hear that it shall stop. */
#define WORKERS_END_SECONDS 5

/* Dials that do not parse_later their cancelling (an agent that asks somebody) are left behind
 * after so long. */
#define DIALS_END_MS 5000
#define DIALS_END_AT_ONCE_MS 300 /* of a command line: somebody has pressed Ctrl-C */

static const int handled[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
#define HANDLED (sizeof(handled) / sizeof(handled[0]))

/* The one line that whoever started us gets to see. */
static void complain(const struct gateway *g, const char *sentence)
{
    char *line = mem_printf("adit: %s", sentence);

    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' '; /* a server's words shall not steer a terminal */
    fprintf(stderr, "%s\n", line);
    if (g->options.log_fd != STDERR_FILENO)
        log_error("%s", sentence);
    free(line);
}

void gateway_check_up(struct gateway *g)
{
    if (g->up)
        return;
    for (size_t i = 0; i < g->pool_count; i++)
        if (!pool_is_up(g->pools[i]))
            return;
    if (!forwards_settled(g->room.forwards))
        return;
    g->up = true;
    log_info("every upstream has a session");
    if (is_command_line(g->generation->config))
        notify_send("READY=1");
    if (g->options.up != NULL)
        g->options.up(g->options.arg);
}

static void session_up(struct pool_room *room, const struct config_upstream *upstream)
{
    struct gateway *g = container_of(room, struct gateway, room);

    listeners_assign(g->listeners, g->generation);
    /* Those behind it need not wait any longer. */
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct string_list *jump = &pool_upstream(g->pools[i])->jump;
        if (jump->count > 0 && strcmp(jump->items[0], upstream->name) == 0)
            pool_retry_now(g->pools[i]);
    }
    gateway_check_up(g);
}

/* The end. */

static void finished(void *arg)
{
    struct gateway *g = arg;

    deadline_cancel(&g->drain);
    loop_stop(g->loop);
}

static void dials_left_behind(struct deadline *deadline)
{
    const struct gateway *g = container_of(deadline, struct gateway, drain);

    if (!is_command_line(g->generation->config))
        log_warning("a dial does not end: leaving it behind");
    _exit(g->status);
}

/* Nobody and nothing new is taken in any more. */
static void turn_away(struct gateway *g)
{
    notify_send("STOPPING=1");
    listeners_close(g->listeners);
    control_close(g->control);
    forwards_change(g->room.forwards, NULL);
}

/* Ends the process without those that do not end. */
static void stop_workers(struct gateway *g)
{
    struct timespec until;

    for (unsigned i = 0; i < g->workers.count; i++)
        worker_send_stop(g->workers.all[i]);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WORKERS_END_SECONDS;
    for (unsigned i = 0; i < g->workers.count; i++) {
        if (!worker_join(g->workers.all[i], &until)) {
            log_error("worker %u does not end: exiting without it", i);
            _exit(g->status != 0 ? g->status : EXIT_SSH);
        }
    }
}

/* Everything is cut; what remains is to wait for the dial threads. */
void gateway_stop(struct gateway *g)
{
    if (g->stopping)
        return;
    g->stopping = true;
    turn_away(g);
    later_cancel(g->loop, &g->ending);
    deadline_cancel(&g->drain);
    deadline_cancel(&g->tick);
    stdio_free(g->stdio);
    g->stdio = NULL;
    for (size_t i = 0; i < g->pool_count; i++)
        pool_free(g->pools[i]);
    g->pool_count = 0;
    stop_workers(g);
    if (dial_running() == 0) {
        finished(g);
    } else {
        deadline_arm(g->loop, &g->drain,
                     is_command_line(g->generation->config) ? DIALS_END_AT_ONCE_MS : DIALS_END_MS,
                     dials_left_behind);
        dial_when_idle(finished, g);
    }
}

static void end(struct later *ending)
{
    gateway_stop(container_of(ending, struct gateway, ending));
}

/* It ends because of a failure; the first is the one that counts. */
static void fail(struct gateway *g, const char *sentence)
{
    if (g->status != 0 || g->stopping)
        return;
    g->status = EXIT_SSH;
    complain(g, sentence);
    later_post(g->loop, &g->ending, end);
}

static bool dial_failed(struct pool_room *room, const struct config_upstream *upstream,
                        const char *place, const char *error)
{
    struct gateway *g = container_of(room, struct gateway, room);
    char *sentence;

    if (g->up || !g->options.first_failure_ends)
        return false;
    sentence = upstream->user != NULL ? mem_printf("%s@%s: %s", upstream->user, place, error)
                                      : mem_printf("%s: %s", place, error);
    fail(g, sentence);
    free(sentence);
    return true;
}

/* A remote forward is up, or was refused. */
static bool forward_changed(void *arg, const struct forward_status *status)
{
    struct gateway *g = arg;
    const struct config_upstream *upstream =
        config_upstream(g->generation->config, status->forward->via);
    bool fatal = status->state == FORWARD_DEGRADED && !g->up && g->options.first_failure_ends &&
                 upstream->exit_on_forward_failure;

    if (fatal)
        fail(g, status->error);
    else
        gateway_check_up(g);
    control_forward_changed(g->control);
    return fatal;
}

static void stdio_done(void *arg, const char *failed)
{
    struct gateway *g = arg;

    g->stdio = NULL;
    if (failed != NULL)
        fail(g, failed);
    else
        gateway_stop(g);
}

static void drain_timed_out(struct deadline *deadline)
{
    struct gateway *g = container_of(deadline, struct gateway, drain);

    log_warning("%u connections are still there after drain_timeout: cutting them",
                atomic_load(&g->workers.clients));
    gateway_stop(g);
}

/* Whether nobody is left whose connection would be cut. (-W is an internal connection, which is not
 * counted.) */
static bool is_empty(const struct gateway *g)
{
    return atomic_load(&g->workers.clients) == 0 && g->stdio == NULL;
}

static void drop_gone(struct message *message)
{
    free(message);
}

static void take_gone(struct message *message, void *owner)
{
    struct gateway *g = owner;

    drop_gone(message);
    if (is_empty(g))
        gateway_stop(g);
}

/* On a worker's thread: a connection has ended while draining. */
static void client_gone(struct workers *workers)
{
    struct message *m;

    if (atomic_load(&workers->clients) > 0)
        return;
    m = mem_zalloc(sizeof(*m));
    *m = (struct message){.run = take_gone, .drop = drop_gone};
    mailbox_post(workers->main_mailbox, m);
}

void gateway_drain(struct gateway *g, uint64_t timeout_ms)
{
    atomic_store(&g->workers.draining, true);
    turn_away(g);
    log_info("draining %u connections", atomic_load(&g->workers.clients));
    if (is_empty(g))
        gateway_stop(g);
    else if (timeout_ms > 0)
        deadline_arm(g->loop, &g->drain, timeout_ms, drain_timed_out);
}

static void end_in_order(struct gateway *g)
{
    uint64_t timeout_ms = g->generation->config->gateway.drain_timeout_ms;

    if (atomic_load(&g->workers.draining)) {
        log_info("second signal: ending at once");
        gateway_stop(g);
    } else {
        gateway_drain(g, timeout_ms > 0 ? timeout_ms : 1);
    }
}

/* Signals. */

static void reload(struct gateway *g)
{
    struct config_problems problems = {0};
    char error[LISTENERS_ERROR_MAX];

    gateway_reload(g, &problems, error);
    config_problems_clear(&problems);
}

/* A command line is ended at once; before it came to anything that is a failure. */
static void interrupted(struct gateway *g)
{
    if (!g->up)
        g->status = EXIT_SSH;
    gateway_stop(g);
}

static void on_signal(void *arg, int number)
{
    struct gateway *g = arg;

    if (g->stopping)
        return;
    if (number == SIGUSR1)
        status_log(g);
    else if (is_command_line(g->generation->config))
        interrupted(g);
    else if (number == SIGHUP)
        reload(g);
    else
        end_in_order(g);
}

/* Time. */

static uint64_t milliseconds_asleep(void)
{
    struct timespec boot;
    struct timespec awake;

    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &awake);
    return (uint64_t)((boot.tv_sec - awake.tv_sec) * 1000 +
                      (boot.tv_nsec - awake.tv_nsec) / 1000000);
}

/* To the service manager, when they have changed. */
static void tell_words(struct gateway *g)
{
    char *words = status_words(g);

    if (g->words == NULL || strcmp(g->words, words) != 0)
        notify_send("STATUS=%s", words);
    free(g->words);
    g->words = words;
}

static void tick(struct deadline *deadline)
{
    struct gateway *g = container_of(deadline, struct gateway, tick);
    uint64_t now = loop_now(g->loop);
    uint64_t slept = milliseconds_asleep();

    if (now - g->ticked_at > TICK_MS + SLEPT_MS || slept - g->slept > SLEPT_MS) {
        log_info("time has passed unseen: asking all sessions whether they live");
        workers_send_probe(&g->workers);
        for (size_t i = 0; i < g->pool_count; i++)
            pool_retry_now(g->pools[i]);
    }
    g->ticked_at = now;
    g->slept = slept;
    for (unsigned i = 0; i < g->workers.count; i++)
        if (heartbeat_tick(worker_heartbeat(g->workers.all[i]), i, now))
            worker_send_beat(g->workers.all[i]);
    for (size_t i = 0; i < g->pool_count; i++)
        pool_tick(g->pools[i]);
    listeners_assign(g->listeners, g->generation);
    tell_words(g);
    deadline_arm(g->loop, &g->tick, TICK_MS, tick);
}

/* Life. */

static unsigned worker_count(const struct config *config)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (config->gateway.workers > 0)
        return config->gateway.workers;
    return processors > 0 ? (unsigned)processors : 1;
}

static bool start_workers(struct gateway *g, unsigned wanted)
{
    g->workers.all = mem_zalloc(wanted * sizeof(struct worker *));
    while (g->workers.count < wanted) {
        struct worker *worker = worker_new(&g->workers, g->workers.count);
        if (worker == NULL)
            return false;
        g->workers.all[g->workers.count++] = worker;
    }
    for (unsigned i = 0; i < wanted; i++)
        worker_start(g->workers.all[i]);
    return true;
}

/* (What nohup(1) has made deaf to SIGHUP stays so, unless that means a reload.) */
static size_t handled_count(const struct config *config)
{
    struct sigaction action;
    bool ignored = sigaction(SIGHUP, NULL, &action) == 0 && action.sa_handler == SIG_IGN;

    return is_command_line(config) && ignored ? HANDLED - 1 : HANDLED;
}

static bool start_listeners(struct gateway *g, const struct config *config)
{
    char error[LISTENERS_ERROR_MAX];
    bool ok =
        control_prepare(g->control, config, error) && listeners_change(g->listeners, config, error);

    control_commit(g->control, ok);
    if (!ok && is_command_line(config))
        complain(g, error);
    else if (!ok)
        log_error("%s", error);
    return ok;
}

struct gateway *gateway_new(struct config *config, const struct gateway_options *options)
{
    struct gateway *g = mem_zalloc(sizeof(*g));
    size_t signals = handled_count(config);

    signals_hold(handled, signals);
    g->options = *options;
    gateway_apply_log(g, config);
    g->loop = loop_new();
    if (g->loop == NULL)
        abort();
    g->workers.main_mailbox = mailbox_new(g->loop, g);
    g->workers.main_events = &pool_main_events;
    g->workers.client_gone = client_gone;
    g->room = (struct pool_room){
        .loop = g->loop,
        .workers = &g->workers,
        .hosts = host_backoffs_new(),
        .may_ask = g->options.may_ask,
        .proxies = proxy_commands_new(g->loop),
        .failed = dial_failed,
        .up = session_up,
    };
    g->room.resolver = resolver_new(g->loop, &(struct resolver_options){0});
    g->room.forwards = forwards_new(g->loop, &g->workers, forward_changed, g);
    g->listeners = listeners_new(&g->workers);
    g->control = control_new(g);
    g->signals = signals_new(g->loop, handled, signals, on_signal, g);
    if (g->room.resolver == NULL || g->signals == NULL || !start_listeners(g, config) ||
        !start_workers(g, worker_count(config))) {
        config_unref(config);
        gateway_free(g);
        return NULL;
    }
    gateway_change_pools(g, config);
    if (g->options.stdio != NULL)
        g->stdio = stdio_start(g->loop, &g->workers, g->generation, g->options.stdio_via,
                               g->options.stdio, stdio_done, g);
    g->began = loop_now(g->loop);
    g->ticked_at = g->began;
    g->slept = milliseconds_asleep();
    deadline_arm(g->loop, &g->tick, TICK_MS, tick);
    gateway_log_notices(config);
    log_info("ready");
    if (!is_command_line(config))
        notify_send("READY=1");
    return g;
}

int gateway_run(struct gateway *g)
{
    loop_run(g->loop);
    return g->status;
}

void gateway_free(struct gateway *g)
{
    control_free(g->control);
    listeners_free(g->listeners);
    forwards_free(g->room.forwards);
    for (size_t i = 0; i < g->workers.count; i++)
        worker_free(g->workers.all[i]);
    free(g->workers.all);
    resolver_free(g->room.resolver);
    signals_free(g->signals);
    proxy_commands_free(g->room.proxies);
    mailbox_free(g->workers.main_mailbox);
    loop_free(g->loop);
    free(g->pools);
    free(g->words);
    host_backoffs_free(g->room.hosts);
    generation_unref(g->generation);
    free(g);
}

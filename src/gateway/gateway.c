/* The main thread's parts put together: start, signals, the tick, and what is reported when
 * everything is up or the first failure ends a command line. */
#include "gateway/gateway.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "base/visible.h"
#include "control/command_table.h"
#include "gateway/dial_attempt.h"
#include "gateway/events.h"
#include "gateway/forwards.h"
#include "gateway/gateway_parts.h"
#include "gateway/history.h"
#include "gateway/snapshot.h"
#include "gateway/status_pages.h"
#include "gateway/try_order.h"
#include "io/socket.h"
#include "shared/limit_counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1000

/* If a tick comes this much too late, or CLOCK_BOOTTIME counted this much sleep, the machine or
 * this process slept. */
#define SLEPT_MS 5000

/* The one line on standard error that a command line ends with. */
static void print_failure(const struct gateway *g, const char *sentence)
{
    char *line = mem_printf("adit: %s", sentence);

    text_mark_invisible(line, ' '); /* (a server's words must not control the terminal) */
    log_print(line);
    if (g->options.log_fd != STDERR_FILENO)
        log_error("%s", sentence);
    free(line);
}

void gateway_check_up(struct gateway *g)
{
    if (g->up || g->options.tries)
        return;
    for (size_t i = 0; i < g->pool_count; i++)
        if (!pool_is_up(g->pools[i]))
            return;
    if (!forwards_settled(g->room.forwards))
        return;
    g->up = true;
    log_info("every upstream has a session");
    if (is_command_line(g->generation->config))
        keeper_link_notify(g->link, KEEPER_NOTICE_READY, NULL);
    keeper_link_send(g->link, GATEWAY_UP, NULL, NULL, 0);
}

static void on_pool_session_up(struct pool_room *room, const struct config_upstream *upstream)
{
    struct gateway *g = container_of(room, struct gateway, room);

    listeners_assign(g->listeners, g->generation);
    /* Upstreams behind this jump host need not wait any longer. */
    for (size_t i = 0; i < g->pool_count; i++) {
        const struct string_list *jump = &pool_upstream(g->pools[i])->jump;
        if (jump->count > 0 && strcmp(jump->items[0], upstream->name) == 0)
            pool_retry_now(g->pools[i]);
    }
    gateway_check_up(g);
}

/* Failures that end a command line. */

static void on_ending(struct later *ending)
{
    gateway_stop(container_of(ending, struct gateway, ending));
}

/* Ends a command line with a failure; only the first one is reported. */
static void gateway_fail(struct gateway *g, const char *sentence)
{
    if (g->status != 0 || g->stopping)
        return;
    g->status = EXIT_SSH;
    print_failure(g, sentence);
    later_post(g->loop, &g->ending, on_ending);
}

/* "adit status": the word was taken for a host's name, as ssh takes it, but a command was meant. */
static bool is_meant_as_command(const struct config_upstream *upstream, const char *error)
{
    return dial_error_is_of_name(error) && control_find_command(upstream->hosts.items[0]) != NULL;
}

static bool on_dial_failed(struct pool_room *room, const struct config_upstream *upstream,
                           const char *place, const char *error)
{
    struct gateway *g = container_of(room, struct gateway, room);
    char *sentence;

    if (g->options.tries)
        return true; /* (what is behind this jump host says why it fails) */
    if (g->up || !g->options.first_failure_ends)
        return false;
    sentence = upstream->user != NULL ? mem_printf("%s@%s: %s", upstream->user, place, error)
                                      : mem_printf("%s: %s", place, error);
    if (is_meant_as_command(upstream, error)) {
        char *said = sentence;
        sentence = mem_printf("%s (did you mean adit -O %s?)", said, upstream->hosts.items[0]);
        free(said);
    }
    gateway_fail(g, sentence);
    free(sentence);
    return true;
}

void gateway_happened(struct gateway *g, const struct event *event)
{
    if (g->control != NULL)
        control_tell(g->control, event);
    if (g->link != NULL)
        keeper_link_happened(g->link, event);
}

static void on_pool_event(struct pool_room *room, const struct event *event)
{
    gateway_happened(container_of(room, struct gateway, room), event);
}

static void on_forward_lost(void *arg, const struct config_forward *forward)
{
    gateway_happened(arg, &(struct event){.kind = EVENT_FORWARD_DOWN,
                                          .upstream = forward->via,
                                          .forward = forward->name,
                                          .reason = "its session was lost"});
}

/* A remote forward is up, or was refused. */
static bool on_forward_changed(void *arg, const struct forward_status *status)
{
    struct gateway *g = arg;
    const struct config_upstream *upstream =
        config_upstream(g->generation->config, status->forward->via);
    bool fatal = status->state == FORWARD_DEGRADED && !g->up && g->options.first_failure_ends &&
                 upstream->exit_on_forward_failure;

    if (fatal)
        gateway_fail(g, status->error);
    else
        gateway_check_up(g);
    control_forward_changed(g->control);
    gateway_happened(g, &(struct event){.kind = status->state == FORWARD_UP ? EVENT_FORWARD_UP
                                                                            : EVENT_FORWARD_DOWN,
                                        .upstream = status->forward->via,
                                        .forward = status->forward->name,
                                        .reason = status->error});
    return fatal;
}

static void on_stdio_done(void *arg, const char *failed)
{
    struct gateway *g = arg;

    g->stdio = NULL;
    if (failed != NULL)
        gateway_fail(g, failed);
    else
        gateway_stop(g);
}

/* Signals. */

/* A command line ends at once; with a failure if not everything was up yet. */
static void end_command_line(struct gateway *g)
{
    if (!g->up && !g->options.was_up)
        g->status = EXIT_SSH;
    gateway_stop(g);
}

/* SIGHUP: the configuration file or ssh_config is read again. (The keeper has opened the log's file
 * again. Nothing is left to change for -W, whose one connection has begun.) */
static void read_again(struct gateway *g)
{
    if (g->options.tries)
        return;
    if (is_command_line(g->generation->config) && !g->options.reads_again)
        log_info("SIGHUP: the log goes on");
    else
        gateway_reload(g, NULL, NULL);
}

void gateway_signal(struct gateway *g, enum keeper_signal number)
{
    if (g->stopping)
        return;
    switch (number) {
    case KEEPER_SIGNAL_STATE: status_log(g); return;
    case KEEPER_SIGNAL_WINDOW: control_window_changed(g->control); return;
    case KEEPER_SIGNAL_RELOAD: read_again(g); return;
    case KEEPER_SIGNAL_END:
        if (g->options.tries || is_command_line(g->generation->config))
            end_command_line(g);
        else
            gateway_end_in_order(g);
        return;
    case KEEPER_SIGNALS: return;
    }
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

/* Tells the service manager the status line, if it has changed. */
static void report_words(struct gateway *g)
{
    char *words = status_words(g);

    if (g->words == NULL || strcmp(g->words, words) != 0)
        keeper_link_notify(g->link, KEEPER_NOTICE_STATUS, words);
    free(g->words);
    g->words = words;
}

static void sample_history(struct gateway *g)
{
    uint64_t now = loop_now(g->loop);
    struct history_sample sample;

    if (!history_is_due(g->room.history, now))
        return;
    status_sample(g, &sample);
    history_add(g->room.history, now, &sample);
}

static void on_gateway_tick(struct deadline *deadline)
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
    report_words(g);
    sample_history(g);
    deadline_arm(g->loop, &g->tick, TICK_MS, on_gateway_tick);
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

static void listen_at(struct gateway *g, struct config *config, struct given_sockets *given)
{
    control_listen(g->control, config, given->control, given->control_count);
    status_server_change(g->status_server, config, given->status, given->status_count);
    listeners_change(g->listeners, config, given->listeners, given->listener_count);
}

void gateway_listen(struct gateway *g, struct config *config)
{
    listen_at(g, config, keeper_link_given(g->link));
}

void gateway_listen_now(struct gateway *g)
{
    gateway_listen(g, g->generation->config);
    listeners_assign(g->listeners, g->generation);
}

/* (The sockets are not shut down, as another process listens at them.) */
void gateway_retire(struct gateway *g)
{
    uint64_t timeout_ms = g->generation->config->gateway.drain_timeout_ms;

    if (g->draining || g->stopping)
        return;
    listeners_leave(g->listeners);
    control_leave(g->control);
    status_server_leave(g->status_server);
    gateway_drain_now(g, timeout_ms > 0 ? timeout_ms : 1);
}

/* For workers.open_service. */
static int open_service(struct workers *workers)
{
    return keeper_link_open_service(container_of(workers, struct gateway, workers)->link);
}

struct gateway *gateway_new(struct config *config, struct given_sockets *sockets,
                            const struct gateway_options *options)
{
    struct gateway *g = mem_zalloc(sizeof(*g));

    g->options = *options;
    g->loop = loop_new();
    if (g->loop == NULL)
        abort();
    g->workers.labels = label_names_new();
    gateway_apply_held(g, config);
    g->workers.main_mailbox = mailbox_new(g->loop, g);
    g->workers.limits = limit_counts_new();
    g->workers.main_events = &pool_main_events;
    g->workers.client_gone = gateway_client_gone;
    g->workers.open_service = open_service;
    g->room = (struct pool_room){
        .loop = g->loop,
        .workers = &g->workers,
        .engine = g->options.engine,
        .join_engine = g->options.join_engine,
        .hosts = host_backoffs_new(),
        .may_ask = g->options.may_ask,
        .failed = on_dial_failed,
        .happened = on_pool_event,
        .up = on_pool_session_up,
    };
    g->room.history = history_new();
    g->room.resolver = resolver_new(g->loop, &(struct resolver_options){0});
    g->room.forwards = forwards_new(g->loop, &g->workers, on_forward_changed, on_forward_lost, g);
    g->listeners = listeners_new(&g->workers);
    g->control = control_new(g);
    g->changes = config_changes_new(&(struct config_changes_options){
        .loop = g->loop,
        .forward_count = gateway_forward_count,
        .apply = gateway_apply,
        .ask = keeper_link_ask,
        .taken = keeper_link_taken,
        .arg = g,
    });
    g->link = keeper_link_new(g->loop, g->options.link, g);
    g->room.link = g->link;
    if (g->link != NULL)
        g->room.service = service_new(g->loop, keeper_link_open_service(g->link));
    if (g->room.service != NULL)
        g->status_server = status_pages_new(g);
    if (g->room.resolver == NULL || g->status_server == NULL ||
        !start_workers(g, worker_count(config))) {
        config_unref(config);
        gateway_free(g);
        return NULL;
    }
    if (!g->options.tries)
        listen_at(g, config, sockets);
    gateway_change_pools(g, config);
    if (g->options.stdio != NULL)
        g->stdio = stdio_start(&(struct stdio_request){
            .loop = g->loop,
            .workers = &g->workers,
            .generation = g->generation,
            .via = g->options.stdio_via,
            .to = g->options.stdio,
            .done = on_stdio_done,
            .arg = g,
        });
    g->began = loop_now(g->loop);
    g->ticked_at = g->began;
    g->slept = milliseconds_asleep();
    deadline_arm(g->loop, &g->tick, TICK_MS, on_gateway_tick);
    if (g->options.tries) {
        gateway_try_alone(g);
        return g;
    }
    gateway_log_notices(config);
    log_info("ready");
    keeper_link_send(g->link, GATEWAY_READY, NULL, NULL, 0);
    if (!is_command_line(config))
        keeper_link_notify(g->link, KEEPER_NOTICE_READY, NULL);
    return g;
}

int gateway_run(struct gateway *g)
{
    loop_run(g->loop);
    return g->status;
}

void gateway_free(struct gateway *g)
{
    config_changes_free(g->changes);
    control_free(g->control);
    status_server_free(g->status_server);
    listeners_free(g->listeners);
    forwards_free(g->room.forwards);
    for (size_t i = 0; i < g->workers.count; i++)
        worker_free(g->workers.all[i]);
    free(g->workers.all);
    resolver_free(g->room.resolver);
    service_free(g->room.service);
    keeper_link_free(g->link);
    mailbox_free(g->workers.main_mailbox);
    socket_linger_abort(g->loop);
    limit_counts_free(g->workers.limits);
    label_names_free(g->workers.labels);
    loop_free(g->loop);
    free(g->pools);
    free(g->words);
    host_backoffs_free(g->room.hosts);
    history_free(g->room.history);
    generation_unref(g->generation);
    free(g);
}
